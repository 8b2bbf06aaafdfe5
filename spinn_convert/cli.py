"""The command line: parse, call, print. Results go to stdout, progress and errors to stderr."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import FrameType
from typing import Any

import click
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from spinn_convert import __version__
from spinn_convert.backends import NAMES
from spinn_convert.errors import SpinnConvertError, printable

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
    help="Time steps per image [default: 48 after the output's release].",
)
@click.option(
    "--percentile",
    type=click.FloatRange(50, 100),
    help="Of the activations, becomes the scale [default: 99.99].",
)
@click.option(
    "--normalisation",
    type=click.Choice(["channel", "layer"]),
    help="Scales per channel or layer [default: channel].",
)
@click.option(
    "--v-init",
    type=click.FloatRange(0, 1, max_open=True),
    help="Initial membrane potential, in thresholds [default: 0.5].",
)
@click.option(
    "--clamp-delay", type=click.IntRange(0, 100), help="d of the clamp N(l) = d * l [default: 1]."
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
    "--seed", type=int, default=1, show_default=True, help="Of the simulator's random numbers."
)
@click.option("--threads", type=click.IntRange(1), help="CPU threads [default: all cores].")
@click.option(
    "--out", type=click.Path(path_type=Path), help="Folder to write [default: MODEL.spinn]."
)
@click.option("--overwrite", is_flag=True, help="Replace the folder if spinn-convert wrote it.")
def convert(model: Path, basic: bool, threads: int | None, **options: Any) -> None:
    """Convert MODEL.onnx, simulate its test images, report accuracy and cost."""
    from spinn_convert import pipeline
    from spinn_convert.convert import BASIC, Method

    names = ("percentile", "normalisation", "v_init", "clamp_delay", "dead_channels")
    given = {name: options.pop(name) for name in names}
    method = replace(
        BASIC if basic else Method(),
        **{n: value for n, value in given.items() if value is not None},
    )
    job = pipeline.Job(model, method=method, threads=threads or available_cores(), **options)
    with watching() as watch:
        outcome = pipeline.execute(job, watch)
    Console().print(result_table(outcome.report))
    click.echo(f"wrote {outcome.folder}/: network.npz, report.json, accuracy.png")


@commands.command()
@click.argument("model", type=click.Path(path_type=Path))
@click.option(
    "--data",
    type=click.Path(path_type=Path),
    help="Images to take scales from, .npz; default: MODEL.npz.",
)
def inspect(model: Path, data: Path | None) -> None:
    """Print the populations of MODEL (ONNX, or a converted network.npz); builds nothing."""
    from spinn_convert import pipeline

    network, real = pipeline.inspect(model, data)
    for where in ("before", "after"):
        click.echo(f"on the host {where} the spikes: {network.made_from.get(where) or 'nothing'}")
    Console().print(population_table(network, real))


def available_cores() -> int:
    """Return the number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1


class DeferredInterrupt:
    """Ctrl-C as a note that `check` acts on; a second Ctrl-C acts at once.

    An exception in the middle of native code that calls back into Python can abort the process
    before the output folder is cleaned up. State, because a signal can only leave a note.
    """

    def __init__(self) -> None:
        self._noted = False

    def note(self, signum: int, frame: FrameType | None) -> None:
        """Remember one SIGINT; raise KeyboardInterrupt on another."""
        self.check()
        self._noted = True

    def check(self) -> None:
        """Raise KeyboardInterrupt if one is due."""
        if self._noted:
            raise KeyboardInterrupt


@contextmanager
def deferring_interrupts() -> Iterator[DeferredInterrupt]:
    """Yield the note of Ctrl-C; the usual handler returns afterwards."""
    interrupt = DeferredInterrupt()
    usual = signal.signal(signal.SIGINT, interrupt.note)
    try:
        yield interrupt
    finally:
        signal.signal(signal.SIGINT, usual)


@contextmanager
def watching() -> Iterator[Any]:
    """Yield a pipeline.Watch that shows one bar per phase on stderr and acts on Ctrl-C."""
    columns = (
        TextColumn("{task.description:>16}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(elapsed_when_finished=True),
    )
    with (
        deferring_interrupts() as interrupt,
        Progress(*columns, console=Console(stderr=True)) as bars,
    ):

        def watch(phase: str) -> Any:
            interrupt.check()
            task = bars.add_task(phase, total=None)

            def report(done: int, total: int) -> None:
                interrupt.check()
                bars.update(task, completed=done, total=total)

            return report

        yield watch


def result_table(report: dict[str, Any]) -> Table:
    """Return the short table at the end of a conversion."""
    network, snn, depth = report["network"], report["snn"], report["network"]["depth"]
    table = Table(
        show_header=False,
        title=f"{report['images']} images, {report['steps']} steps each, on {report['backend']}",
    )
    table.add_column(justify="left")
    table.add_column(justify="right")
    table.add_row("ANN accuracy", f"{report['ann']['accuracy']:.2%}")
    table.add_row("ReLU1 accuracy", f"{report['relu1']['accuracy']:.2%}")
    table.add_row("SNN accuracy", f"{snn['accuracy']:.2%}")
    table.add_row("SNN agrees with the ANN on", f"{snn['agreement']:.2%}")
    for key, label in (
        ("first_step_within_half_percent", "steps to ANN - 0.5 %"),
        ("steps_to_99_percent_agreement", "steps to 99 % agreement"),
    ):
        steps = snn[key]
        shown = (
            f"more than {report['steps']}"
            if steps is None
            else f"{steps} ({steps - depth} + depth {depth})"
        )
        table.add_row(label, shown, end_section=key.startswith("steps"))
    table.add_row("neurons", f"{network['neurons']:,}")
    table.add_row("synapses", f"{network['synapses']:,}")
    table.add_row("spikes per image", f"{report['spikes_per_image']:,.0f}")
    table.add_row(
        "synaptic events per image", f"{report['synaptic_events_per_image']:,.0f}", end_section=True
    )
    for phase, seconds in report["timing"].items():
        table.add_row(f"time: {phase}", f"{seconds:.1f} s")
    return table


def population_table(network: Any, scales_are_real: bool) -> Table:
    """Return one row per population, and the totals."""
    from spinn_convert.network import neurons, synapse_counts

    counts = synapse_counts(network)
    table = Table(
        caption=None if scales_are_real else "no images found: scales are not known",
        show_footer=True,
    )
    totals = ("total", "", f"{neurons(network):,}", "", f"{sum(counts.values()):,}", "", "")
    headers = ("population", "shape", "neurons", "fan-in", "synapses", "scale", "release")
    for header, total in zip(headers, totals):
        table.add_column(
            header, total, justify="left" if header in ("population", "shape") else "right"
        )
    for population in network.populations:
        if population.kind == "input":
            continue
        low, high = population.scale.min(), population.scale.max()
        scale = (
            f"{low:.3g}..{high:.3g}" if scales_are_real and population.kind == "spiking" else "-"
        )
        synapses = counts[population.name]
        name = escape(printable(population.name))
        table.add_row(
            name if population.kind == "spiking" else f"{name} ({population.kind})",
            "x".join(map(str, population.shape)),
            f"{population.size:,}",
            f"{synapses / population.size:,.0f}",
            f"{synapses:,}",
            scale,
            str(population.release),
        )
    return table


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
