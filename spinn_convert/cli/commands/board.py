"""spinn-convert board"""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import asdict
from typing import TYPE_CHECKING

import rich_click as click

from spinn_convert.cli import options
from spinn_convert.cli.console import announce, print_json, warn

if TYPE_CHECKING:
    from spinn_convert.board_server.process import SoftwareBoard
    from spinn_convert.cli.progress import DeferredInterrupt


@click.command()
@click.option(
    "--version",
    type=click.Choice(["3", "5"]),
    default="5",
    help="Kind of board: 3 has 4 chips, 5 has 48 [default: 5].",
)
@click.option(
    "--lose",
    type=click.FloatRange(0, 1, max_open=True),
    default=0.0,
    metavar="SHARE",
    help="Lose this share of the datagrams, from 0 to 1, as a bad network does.",
)
@options.as_json
def board(version: str, lose: float, as_json: bool) -> None:
    """Serve a SpiNNaker board in software, on this computer only, until Ctrl-C.

    Prints the lines for ~/.spynnaker.cfg that point sPyNNaker to it; then any sPyNNaker script
    runs on it, unchanged.
    """
    from spinn_convert.board_server.process import start
    from spinn_convert.cli.progress import deferring_interrupts

    with deferring_interrupts() as interrupt, start(int(version), lose=lose) as running:
        click.echo(running.config, err=as_json)
        announce("serves this computer only, until Ctrl-C; executes what it is sent")
        with suppress(KeyboardInterrupt):
            _wait(running, interrupt)
        report = running.close()
    if as_json:
        print_json({"address": running.address, "version": running.version, **asdict(report)})
        return
    for what, counts in (("served", report.served), ("did", report.done)):
        click.echo(f"{what}: " + (", ".join(f"{n:,} {name}" for name, n in counts.items()) or "-"))


def _wait(running: SoftwareBoard, interrupt: DeferredInterrupt) -> None:
    """Warn of what goes wrong on the board, until Ctrl-C raises KeyboardInterrupt."""
    said = 0
    while True:
        problems = running.report().problems
        for problem in problems[said:]:
            warn(str(problem))
        said = len(problems)
        for _ in range(5):
            interrupt.check()
            time.sleep(0.2)
