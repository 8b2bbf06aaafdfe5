"""Options that several commands take, and the records they become."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

import rich_click as click

if TYPE_CHECKING:
    from spinn_convert.jobs.prepare import Source

IMAGES, CONVERSION, SIMULATION = "Images", "Conversion", "Simulation"
OUTPUT, GATE = "Output", "Gate"
FILE = click.Path(path_type=Path)
F = TypeVar("F", bound=Callable[..., Any])


def several(*options: Callable[[F], F]) -> Callable[[F], F]:
    """Return a decorator that adds all of the options, in this order."""

    def add(command: F) -> F:
        for option in reversed(options):
            command = option(command)
        return command

    return add


model = click.argument("model", type=FILE)


@dataclass(frozen=True)
class Images:
    """Which images a command is given, and how they are read; see `model.images.Reading`."""

    data: Path | None
    calibration: Path | None
    count: int | None
    preprocess: str | None

    @property
    def words(self) -> list[str]:
        """The options as they are typed, for a command that is printed."""
        told = {
            "--data": self.data,
            "--calibration": self.calibration,
            "--calibration-images": self.count,
            "--preprocess": self.preprocess,
        }
        return [
            word for name, value in told.items() if value is not None for word in (name, str(value))
        ]


def data(command: F) -> F:
    """Add the options that say which images; the command gets `data`, its Images."""

    @wraps(command)
    def gathered(
        data: Path | None,
        calibration: Path | None,
        calibration_images: int | None,
        preprocess: str | None,
        **others: Any,
    ) -> Any:
        return command(data=Images(data, calibration, calibration_images, preprocess), **others)

    return _images(cast(F, gathered))


_images = several(
    click.option(
        "--data",
        type=FILE,
        help="Images and labels: .npz, folder, list ... [default: MODEL.npz].",
        panel=IMAGES,
    ),
    click.option(
        "--preprocess",
        metavar="TEXT",
        help="How pictures are prepared: imagenet, or resize=256,crop=224,...",
        panel=IMAGES,
    ),
    click.option(
        "--calibration",
        type=FILE,
        help="Images of the training set, if --data holds none.",
        panel=IMAGES,
    ),
    click.option(
        "--calibration-images",
        type=click.IntRange(1),
        metavar="N",
        help="How many of these to draw, of each class alike [default: 1000].",
        panel=IMAGES,
    ),
)
recipe = several(
    click.option(
        "--method",
        metavar="NAME|FILE",
        help="default, paper or basic, or a file that tune wrote.",
        panel=CONVERSION,
    ),
    click.option(
        "--set",
        "changes",
        multiple=True,
        metavar="SETTING=VALUE",
        help="Change a setting, one of `spinn-convert settings`; may be repeated.",
        panel=CONVERSION,
    ),
)
onnx = click.option(
    "--onnx",
    type=FILE,
    help="Model that a network.npz was made from [default: its former path].",
    panel=CONVERSION,
)
threads = click.option(
    "--threads",
    type=click.IntRange(1),
    metavar="N",
    help="CPU threads [default: all cores].",
    panel=SIMULATION,
)
images = click.option(
    "--images",
    type=click.IntRange(1),
    metavar="N",
    help="Number of test images.",
    panel=SIMULATION,
)
steps = click.option(
    "--steps",
    type=click.IntRange(1),
    metavar="N",
    help="Time steps per image [default: as tuned, or by the depth].",
    panel=SIMULATION,
)
stop = several(
    click.option(
        "--stop-when-sure",
        is_flag=True,
        help="End an image once its class is clear, as calibration images say.",
        panel=SIMULATION,
    ),
    click.option(
        "--sure",
        type=float,
        metavar="PERCENT",
        help="Agreement with the ANN to keep there [default: 99.5].",
        panel=SIMULATION,
    ),
)
read_out = click.option(
    "--read-out",
    type=click.Choice(["all", "late"]),
    help="Read all steps, or skip the first [default: late without clamp].",
    panel=SIMULATION,
)
boards = several(
    click.option(
        "--board",
        type=FILE,
        metavar="FILE.cfg",
        help="SpiNNaker machine, as in boards/ [default: ~/.spynnaker.cfg].",
        panel=SIMULATION,
    ),
    click.option(
        "--connectors",
        type=click.Choice(["lists", "convolutions", "auto"]),
        metavar="NAME",
        help="Synapses on boards: lists, convolutions, or auto [default: lists].",
        panel=SIMULATION,
    ),
)


def out(default: str) -> Callable[[F], F]:
    """Return the options of a command that writes a folder."""
    return several(
        click.option(
            "--out", type=FILE, help=f"Folder to write [default: {default}].", panel=OUTPUT
        ),
        click.option(
            "--overwrite",
            is_flag=True,
            help="Replace the folder if spinn-convert wrote it.",
            panel=OUTPUT,
        ),
        as_json,
        click.help_option("-h", "--help", help="Show this message and exit.", panel=OUTPUT),
    )


as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.", panel=OUTPUT)


def source(
    path: Path,
    images: Images,
    method: str | None,
    changes: tuple[str, ...],
    threads: int | None,
    onnx: Path | None = None,
) -> Source:
    """Return what a job starts from; raises the errors of reading the method."""
    from spinn_convert.cli.console import announce
    from spinn_convert.jobs.prepare import Source
    from spinn_convert.jobs.recipe import read_recipe
    from spinn_convert.linear.threads import available_cores
    from spinn_convert.model.images import Reading

    told, cores = method is not None or bool(changes), threads or available_cores()
    recipe = read_recipe(method or "default", changes) if told else None
    reading = Reading(images.calibration, images.count, images.preprocess, cores)
    return Source(path, images.data, onnx, recipe, cores, reading, announce)


def wanted(stop_when_sure: bool, sure: float | None) -> float | None:
    """Return the agreement, a fraction, from which an image may end early; None: it may not.

    Raises DataError for --sure alone, or out of range.
    """
    from spinn_convert.errors import DataError, Problem
    from spinn_convert.results.stopping import WANTED

    if sure is not None and not stop_when_sure:
        what, fix = "has no effect: no image ends early", "add --stop-when-sure, or leave it out"
        raise DataError([Problem(f"--sure {sure:g}", what, fix)])
    if sure is not None and not 50 <= sure < 100:
        what, fix = "is out of range", "give 50 or more, and less than 100"
        raise DataError([Problem(f"--sure {sure:g}", what, fix)])
    return (WANTED if sure is None else sure / 100) if stop_when_sure else None
