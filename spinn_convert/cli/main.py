"""The command line: parse, call, print. Results go to stdout, progress and errors to stderr."""

from __future__ import annotations

import os
import sys
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import click

from spinn_convert import __version__
from spinn_convert.backends import NAMES
from spinn_convert.cli.commands import inspect, score, tune
from spinn_convert.cli.console import available_cores, output_console
from spinn_convert.cli.progress import watching
from spinn_convert.cli.tables import result_table
from spinn_convert.errors import BackendError, Problem, SpinnConvertError

BAD_INPUT, INTERRUPTED = 2, 130


class Commands(click.Group):
    """A group whose first argument may also be a model: `spinn-convert MODEL.onnx` converts."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Insert the command `convert` where none is named."""
        if args and args[0] not in {*self.commands, "--help", "--version"}:
            args = ["convert", *args]
        return super().parse_args(ctx, args)


@click.group(
    cls=Commands, context_settings={"help_option_names": ["--help"], "max_content_width": 100}
)
@click.version_option(__version__)
def commands() -> None:
    """Convert a trained ONNX network to spikes and run it: spinn-convert MODEL.onnx [OPTIONS]"""


for command in (inspect, score, tune):
    commands.add_command(command)


@commands.command()
@click.argument("model", type=click.Path(path_type=Path))
@click.option(
    "--data", type=click.Path(path_type=Path), help="Images and labels, .npz; default: MODEL.npz."
)
@click.option(
    "--backend", type=click.Choice(NAMES), default="reference", show_default=True, help="Simulator."
)
@click.option(
    "--images",
    type=click.IntRange(1),
    help="Test images to present [default: 25 on nest, else all].",
)
@click.option(
    "--steps",
    type=click.IntRange(1),
    help="Time steps per image [default: 32 + depth after the output's release; 48 with a clamp].",
)
@click.option(
    "--settings",
    type=click.Path(path_type=Path),
    help="File that `tune` wrote; options given here go before it.",
)
@click.option(
    "--percentile",
    type=click.FloatRange(50, 100),
    help="Of the activations, becomes the scale [default: 99.95; higher beyond 50 layers].",
)
@click.option(
    "--normalisation",
    type=click.Choice(["channel", "layer"]),
    help="Scales per channel or layer [default: channel].",
)
@click.option(
    "--thresholds",
    type=click.Choice(["percentile", "mmse"]),
    help="Scales: the percentile, or what rounds the activations best [default: percentile].",
)
@click.option("--levels", type=click.IntRange(1), help="Steps that mmse rounds for [default: 16].")
@click.option(
    "--v-init",
    type=click.FloatRange(0, 1, max_open=True),
    help="Initial membrane potential, in thresholds [default: 0.5].",
)
@click.option(
    "--clamp-delay", type=click.IntRange(0, 100), help="d of the clamp N(l) = d * l [default: 0]."
)
@click.option(
    "--copies",
    type=click.IntRange(1, 16),
    help="Neurons per activation of the first layers, firing in turn [default: 2].",
)
@click.option(
    "--copied-layers",
    type=click.IntRange(0),
    help="How many layers those are [default: what adds 45 % neurons, at most 10].",
)
@click.option(
    "--potentials",
    type=click.Choice(["fixed", "channel", "neuron"]),
    help="Initial potentials: --v-init, or lowered per channel or neuron where calibration images"
    " make too many spikes [default: channel].",
)
@click.option(
    "--correct-bias/--keep-bias",
    default=None,
    help="Correct the biases on calibration images, too [default: keep].",
)
@click.option(
    "--horizon",
    type=click.IntRange(1),
    help="Steps after the output's release at which corrections hold [default: 12 + depth/2].",
)
@click.option(
    "--paper",
    is_flag=True,
    help="The paper's extended conversion: 99.99th percentile per channel, V = 1/2, clamp delay 1.",
)
@click.option(
    "--basic",
    is_flag=True,
    help="The paper's basic conversion: 99.9th percentile per layer, V = 0, no clamp.",
)
@click.option(
    "--dead-channels",
    type=click.Choice(["refuse", "layer"]),
    help="Channels never active in calibration [default: refuse].",
)
@click.option(
    "--max-pool",
    type=click.Choice(["spiking", "average"]),
    default="spiking",
    show_default=True,
    help="Max pooling by difference neurons, or replaced by the mean.",
)
@click.option(
    "--arithmetic",
    type=click.Choice(["float", "spinnaker"]),
    default="float",
    show_default=True,
    help="Numbers of the reference: exact, or SpiNNaker's own integers.",
)
@click.option(
    "--board",
    type=click.Path(path_type=Path),
    metavar="FILE.cfg",
    help="SpiNNaker machine to run on, in sPyNNaker's format, as in boards/ [default:"
    " ~/.spynnaker.cfg].",
)
@click.option(
    "--dry-run", is_flag=True, help="Map to SpiNNaker boards without any; say what it takes."
)
@click.option(
    "--connectors",
    type=click.Choice(["lists", "convolutions", "auto"]),
    default="lists",
    show_default=True,
    help="On boards: lists of synapses; kernels where a layer allows them; or where they save.",
)
@click.option(
    "--reset",
    type=click.Choice(["subtract", "zero"]),
    default="subtract",
    show_default=True,
    help="After a spike: subtract the threshold, or go to a calibrated constant.",
)
@click.option(
    "--read-out",
    type=click.Choice(["all", "late"]),
    help="Read the output's potential from step 0, or past its first spikes [default: late without"
    " clamp].",
)
@click.option(
    "--record",
    multiple=True,
    metavar="POPULATION",
    help="Save the output's potentials in recording.nix (`output`), and a population's spikes in"
    " spikes.nix; may be repeated.",
)
@click.option(
    "--seed", type=int, default=1, show_default=True, help="Of the simulator's random numbers."
)
@click.option("--threads", type=click.IntRange(1), help="CPU threads [default: all cores].")
@click.option(
    "--out", type=click.Path(path_type=Path), help="Folder to write [default: MODEL.spinn]."
)
@click.option(
    "--script",
    type=click.Path(path_type=Path),
    help="Folder to write a PyNN script and its data to, which need no spinn-convert: for sPyNNaker"
    " with the board's arithmetic or on a board, else for NEST.",
)
@click.option("--overwrite", is_flag=True, help="Replace the folder if spinn-convert wrote it.")
def convert(
    model: Path,
    paper: bool,
    basic: bool,
    threads: int | None,
    dry_run: bool,
    settings: Path | None,
    **options: Any,
) -> None:
    """Convert MODEL.onnx, simulate its test images, report accuracy and cost."""
    from spinn_convert.conversion.convert import BASIC, PAPER, Method
    from spinn_convert.jobs import run as pipeline
    from spinn_convert.jobs.settings_file import read_settings

    if paper and basic:
        raise click.UsageError("--paper and --basic are two conversions: choose one")
    if settings is not None:
        for name, value in read_settings(settings).items():
            options[name] = value if options[name] is None else options[name]
    given = {field.name: options.pop(field.name) for field in fields(Method)}
    method = replace(
        BASIC if basic else PAPER if paper else Method(),
        **{n: value for n, value in given.items() if value is not None},
    )
    job = pipeline.Job(model, method=method, threads=threads or available_cores(), **options)
    if pipeline.on_board(job) and job.reset == "subtract":
        job = without_clamp(job, given["clamp_delay"])
    if dry_run:
        map_only(job)
        return
    with watching() as watch:
        outcome = pipeline.execute(job, watch)
    output_console().print(result_table(outcome.report))
    written = ", ".join(sorted(path.name for path in outcome.folder.iterdir()))
    click.echo(f"wrote {outcome.folder}/: {written}")


def map_only(job: Any) -> None:
    """Map a job to boards that exist on paper, and print what it takes."""
    from spinn_convert.backends.spinnaker.dry_run.costs import table
    from spinn_convert.jobs import map as dry_run

    if job.backend != "spinnaker":
        raise BackendError([Problem("--dry-run", "maps to boards", "use --backend spinnaker")])
    with watching() as watch:
        dry, folder = dry_run.execute(job, watch)
    click.echo(table(dry))
    click.echo(f"mapped in {dry.mapping_seconds:.0f} s")
    click.echo(f"wrote {folder}/: network.npz, dry_run.txt, placement.png")


def without_clamp(job: Any, clamp_delay: int | None) -> Any:
    """Return the job at clamp delay 0, all that the board's reset by subtraction allows."""
    if clamp_delay:
        what = "SpiNNaker's reset by subtraction cannot hold input back"
        fix = "leave the option out, or use --reset zero"
        raise BackendError([Problem(f"--clamp-delay {clamp_delay}", what, fix)])
    if job.method.clamp_delay:
        click.echo("clamp delay 0: SpiNNaker's reset by subtraction holds no input back", err=True)
    return replace(job, method=replace(job.method, clamp_delay=0))


def main() -> None:
    """Run the command line; exit code 2 for bad input, 130 for Ctrl-C, never a traceback."""
    try:
        code = commands.main(standalone_mode=False)
    except click.ClickException as error:
        error.show()
        code = error.exit_code
    except SpinnConvertError as error:
        click.secho("error: ", fg="red", bold=True, err=True, nl=False)
        click.echo(str(error), err=True)
        code = BAD_INPUT
    except (KeyboardInterrupt, click.Abort):
        click.echo("interrupted; nothing was written", err=True)
        sys.stderr.flush()
        os._exit(INTERRUPTED)  # Python kills itself instead if exec of a text was interrupted
    except MemoryError:
        click.echo("error: out of memory; use fewer --images, or a larger machine", err=True)
        code = BAD_INPUT
    sys.exit(code if isinstance(code, int) else 0)
