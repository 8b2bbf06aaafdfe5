"""Claims: what a board computes is as accurate as the ANN; a reset to a constant is not.

    python -m benchmarks.board_arithmetic

Shows the test images to the example in the integers of a board, on the reference, and on the
reference with a reset to calibrated constants. Of each: accuracy, agreement with the ANN, and after
how many steps both are good.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence

import spinn_convert as sc
from benchmarks.common import Claim, Example, at_least, at_most, parser_of, prepare, settle
from spinn_convert.api import Backend
from spinn_convert.conversion.steps import SIZING_IMAGES


def shown(what: str, example: Example, backend: Backend, images: int, threads: int) -> sc.Scores:
    """Return the scores of some test images on a backend; print them and the speed."""
    model, network, data = example.model, example.network, example.data
    values = model.core_input(data.images.first(images))
    sizing = model.core_input(data.calibration[:SIZING_IMAGES])
    recording = sc.run(network, values, backend, calibration=sizing, threads=threads)
    scores = sc.score(
        model, network, recording, data.images.first(images), data.labels[:images], threads=threads
    )
    steps = recording.settings.steps
    print(
        f"{what}, {steps} steps: ANN {scores.ann:.2%}, SNN {scores.snn:.2%},"
        f" agreement {scores.agreement:.2%}, steps to ANN - 0.5 % {scores.first_step},"
        f" to 99 % agreement {scores.steps_to_agreement(0.99)};"
        f" {images * steps / recording.timing['simulate']:,.0f} image-steps/s"
    )
    return scores


def claims(arguments: argparse.Namespace) -> Iterator[Claim]:
    """Measure all three."""
    images, threads = arguments.images, arguments.threads
    example = prepare("default", threads)
    board = shown("integers of a board", example, "spinnaker-integers", images, threads)
    yield at_most("points that the board's integers lose", 100 * (board.ann - board.snn), 0.5)
    yield at_least("per cent on which they agree with the ANN", 100 * board.agreement, 99)
    reference = shown("reference", example, "reference", images, threads)
    lost = 100 * (reference.agreement - board.agreement)
    yield at_most("points of agreement that the reference has more", lost, 0.5)
    constant = prepare(sc.Method(reset="constant"), threads)
    scores = shown("reset to a constant", constant, "reference", images, threads)
    gained = 100 * (board.agreement - scores.agreement)
    yield at_least("points of agreement that reset by subtraction gains", gained, 1)


def main(words: Sequence[str] | None = None) -> int:
    """Measure and print; return the exit code."""
    parser = parser_of(__doc__)
    parser.add_argument("--images", type=int, default=1000)
    parser.add_argument("--threads", type=int, default=2)
    return settle(claims(parser.parse_args(words)))


if __name__ == "__main__":
    sys.exit(main())
