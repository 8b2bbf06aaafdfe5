"""The command line: results go to stdout, progress and errors to stderr."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import rich_click as click

from spinn_convert import __version__, ranks
from spinn_convert.cli.commands.board import board
from spinn_convert.cli.commands.convert import convert
from spinn_convert.cli.commands.diagnose import diagnose
from spinn_convert.cli.commands.export import export
from spinn_convert.cli.commands.inspect import inspect
from spinn_convert.cli.commands.map import map_
from spinn_convert.cli.commands.run import run
from spinn_convert.cli.commands.score import score
from spinn_convert.cli.commands.settings import settings
from spinn_convert.cli.commands.tune import tune
from spinn_convert.errors import BackendError, Problem, SpinnConvertError

BAD_INPUT, INTERRUPTED = 2, 130
"""Exit codes."""
SHARED = ("run", "convert", "tune")
"""Commands whose work ranks share."""


class Commands(click.RichGroup):
    """A group whose first argument may also be a file: `spinn-convert MODEL.onnx` runs it."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Insert the command `run` before a file, or before an option that is not the group's."""
        own = {*self.commands, "-h", "--help", "--version"}
        if args and args[0] not in own and (args[0].startswith("-") or _is_file(args[0])):
            args = ["run", *args]
        return super().parse_args(ctx, args)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Return the command; raises BackendError for one that several ranks cannot share."""
        name, command, rest = super().resolve_command(ctx, args)
        if ranks.launched() > 1 and name in self.commands and name not in SHARED:
            what = f"{name} has no work for {ranks.launched()} ranks"
            raise BackendError([Problem("mpirun", what, "start it without mpirun")])
        return name, command, rest


def _is_file(argument: str) -> bool:
    path = Path(argument)
    return bool(path.suffix) or len(path.parts) > 1 or path.exists()


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.rich_config({"max_width": 100})
@click.version_option(__version__)
def commands() -> None:
    """Convert a trained ANN, an ONNX file, to a spiking network, and run it.

    spinn-convert MODEL.onnx is short for spinn-convert run MODEL.onnx
    """


for command in (run, convert, inspect, diagnose, tune, map_, export, score, settings, board):
    commands.add_command(command)


def main() -> None:
    """Run the command line; under mpirun, rank 0 does, and the others help.

    Exit codes: 0; 1 if the SNN is below a limit of --fail-under-...; 2 for bad input, with a
    message instead of a traceback; 130 for Ctrl-C.
    """
    try:
        code = ranks.led(_code)
    except SpinnConvertError as error:  # in starting MPI, which all ranks try
        if ranks.speaks():
            _say_error(str(error))
        code = BAD_INPUT
    if not ranks.speaks():
        sys.exit(0)
    if code == INTERRUPTED:
        sys.stderr.flush()
        os._exit(code)  # sys.exit could end with a signal if `exec` was interrupted
    sys.exit(code)


def _code() -> int:
    """Run the command; return the exit code."""
    try:
        code = commands.main(standalone_mode=False)
    except click.ClickException as error:
        context = getattr(error, "ctx", None)
        hint = f"\n  -> see {context.command_path} -h" if context else ""
        _say_error(error.format_message() + hint)
        code = error.exit_code
    except SpinnConvertError as error:
        _say_error(str(error))
        code = BAD_INPUT
    except (KeyboardInterrupt, click.Abort):
        click.echo("interrupted; nothing was written", err=True)
        code = INTERRUPTED
    except MemoryError:
        _say_error("out of memory\n  -> use fewer --images, or a larger machine")
        code = BAD_INPUT
    return code if isinstance(code, int) else 0


def _say_error(text: str) -> None:
    click.secho("error: ", fg="red", bold=True, err=True, nl=False)
    click.echo(text, err=True)
