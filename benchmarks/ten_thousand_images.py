"""Claim: 10,000 images x 100 steps of the example take under 10 minutes on two cores.

    python -m benchmarks.ten_thousand_images

Conversion included, by the paper's method and by the default one. The example ships 1,000 test
images; they are shown ten times. With --times 1, say, the limit is a tenth, and is harder to keep,
as the conversion takes as long as ever.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator, Sequence

import numpy as np

import spinn_convert as sc
from benchmarks.common import Claim, at_most, parser_of, prepare, settle

STEPS, SECONDS_PER_THOUSAND = 100, 60


def claims(arguments: argparse.Namespace) -> Iterator[Claim]:
    """Time both methods."""
    limit = SECONDS_PER_THOUSAND * arguments.times
    for method in ("paper", "default"):
        started = time.perf_counter()
        example = prepare(method, arguments.threads)
        values = np.tile(example.data.images[:], (arguments.times, 1, 1, 1))
        sc.run(example.network, values, steps=STEPS, threads=arguments.threads)
        seconds = time.perf_counter() - started
        what = f"seconds, {len(values):,} images x {STEPS} steps, method {method}"
        yield at_most(what, seconds, limit)


def main(words: Sequence[str] | None = None) -> int:
    """Measure and print; return the exit code."""
    parser = parser_of(__doc__)
    parser.add_argument("--times", type=int, default=10, help="the 1,000 images so often")
    parser.add_argument("--threads", type=int, default=2)
    return settle(claims(parser.parse_args(words)))


if __name__ == "__main__":
    sys.exit(main())
