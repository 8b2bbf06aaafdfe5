"""Claims: the example fits one SpiNN-5 board; kernels take less; both is foreseen before a mapping.

    python -m benchmarks.spinnaker_connectors

Maps the example, by the paper's method without its clamp, to a virtual board: with lists of
synapses, with kernels wherever they are possible, and with what "auto" chooses. Compares cores and
SDRAM of every layer with the cost model. Needs sPyNNaker: pip install 'spinn-convert[spinnaker]'.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import get_args

from benchmarks.common import BOARDS, Claim, at_most, parser_of, prepare, settle
from spinn_convert import PAPER
from spinn_convert.backends.board.backend import default_plan
from spinn_convert.backends.spinnaker.dry_run.costs import DryRun
from spinn_convert.backends.spinnaker.dry_run.mapping import dry_run
from spinn_convert.backends.spinnaker.dry_run.text import table
from spinn_convert.backends.spinnaker.kernels.layers import Connectors
from spinn_convert.network.recording import Settings, Stimulus

SIZING_IMAGES, STEPS, THREADS = 16, 63, 2


def wrong(dry: DryRun) -> int:
    """Return how many layers differ from what was foreseen: in cores, or by 1 % of SDRAM."""
    count = 0
    for layer in dry.layers:
        ways = layer.ways
        assert ways is not None, "the plan is for the cell that has kernels"
        cost = ways.kernels if ways.chosen and ways.kernels is not None else ways.lists
        exact = len(layer.cores) == cost.cores
        count += not (exact and abs(layer.sdram - cost.sdram) <= layer.sdram / 100)
    return count


def claims() -> Iterator[Claim]:
    """Map three times."""
    example = prepare(replace(PAPER, clamp_delay=0), THREADS)
    sizing = Stimulus(example.data.calibration[:SIZING_IMAGES])
    plan = default_plan(example.network, sizing, Settings(STEPS, THREADS))
    found: dict[str, DryRun] = {}
    ways: tuple[Connectors, ...] = get_args(Connectors)
    for connectors in ways:
        dry = dry_run(plan.network, plan, BOARDS / "virtual.cfg", STEPS, connectors)
        found[connectors] = dry
        print(f"\n{connectors}\n{table(dry)}")
        yield at_most(f"{connectors}: boards", dry.boards, 1)
        yield at_most(f"{connectors}: seconds to map", dry.mapping_seconds, 90)
        yield at_most(f"{connectors}: layers that differ from the cost model", wrong(dry), 0)
    auto, lists = found["auto"], found["lists"]
    yield at_most("cores by auto, relative to lists", auto.cores / lists.cores, 0.9)
    saved = sum(auto.sdram.values()) / sum(lists.sdram.values())
    yield at_most("SDRAM by auto, relative to lists", saved, 0.6)


def main(words: Sequence[str] | None = None) -> int:
    """Measure and print; return the exit code."""
    parser_of(__doc__).parse_args(words)
    return settle(claims())


if __name__ == "__main__":
    sys.exit(main())
