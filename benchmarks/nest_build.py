"""Claims about NEST: fast to connect, small in memory.

    python -m benchmarks.nest_build

Each figure is of a process of its own. Connecting one 3x3 convolution of 64 x 7 x 7 neurons
through PyNN is >= 40x as fast as by PyNN's own FromListConnector; connecting the example takes
<= 1.3x the time of raw nest.Connect. Memory is the peak of the whole command, for one image on two
threads, less that of a process that only imports the same, per synapse. NEST's compact synapse of
16 bytes reaches 65,000 neurons per thread: the example by the paper's method (108,554 neurons) has
it on two threads; the default one, whose copies make 146,186, gets a third thread.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

import spinn_convert as sc
from benchmarks.common import EXAMPLE, Claim, alone, at_least, at_most, command, parser_of, settle
from spinn_convert.backends.nest.backend import imported, kernel
from spinn_convert.backends.nest.network import longest_delay
from spinn_convert.backends.pynn import TIME_STEP_MS
from spinn_convert.conversion.steps import draft
from spinn_convert.linear.maps import synapses

THREADS = 2
CONVOLUTION = "relu_11"
"""What the one projection leads to."""
STATUS = Path("/proc/self/status")
BYTES = 60
"""Per synapse, at most."""


class Rig:
    """The example's populations on an empty NEST, and the projections to connect."""

    def __init__(self, objects: ModuleType, onto: str | None) -> None:
        """Build; onto: the target of the only projection, None for all."""
        self.network = draft(sc.load(EXAMPLE), sc.PAPER)
        self.objects = objects
        self.chosen = [p for p in self.network.synaptic() if onto in (None, p.target)]
        if onto:
            self.chosen = self.chosen[:1]
        self.objects.setup(TIME_STEP_MS, longest_delay(self.network), THREADS)
        self.pynn = self.objects.pynn(compact=True)
        self.made = {
            p.name: self.pynn.Population(p.size, self.objects.SubtractiveIF())
            for p in self.network.populations
            if p.kind != "input"
        }


def bulk(rig: Rig) -> float:
    """Return the seconds to connect through PyNN with our connector."""
    started = time.perf_counter()
    for p in rig.chosen:
        connector = rig.objects.BulkConnector(p.map, rig.network.bits)
        synapse = rig.pynn.StaticSynapse(delay=p.delay * TIME_STEP_MS)
        rig.pynn.Projection(rig.made[p.source], rig.made[p.target], connector, synapse)
    return time.perf_counter() - started


def raw(rig: Rig) -> float:
    """Return the seconds that nest.Connect alone takes for the same arrays, made beforehand."""
    total = 0.0
    for p in rig.chosen:
        first = [rig.made[name].node_collection[0].global_id for name in (p.source, p.target)]
        for pre, post, weight in synapses(p.map, rig.network.bits):
            ids = pre + first[0], post + first[1]
            delay = np.full(pre.size, p.delay * TIME_STEP_MS)
            each = {"weight": weight.astype(float), "delay": delay}
            model = {"synapse_model": rig.objects.CompactSynapse.model}
            started = time.perf_counter()
            rig.objects.nest.Connect(*ids, "one_to_one", {**model, **each})
            total += time.perf_counter() - started
    return total


def stock(rig: Rig) -> float:
    """Return the seconds to connect with PyNN's FromListConnector, on PyNN's own populations."""
    sim, total = rig.objects.sim, 0.0
    for p in rig.chosen:
        parts = [np.stack(piece, axis=1) for piece in synapses(p.map, rig.network.bits)]
        rows: list[Any] = np.insert(np.concatenate(parts), 3, p.delay * TIME_STEP_MS, 1).tolist()
        rows = [(int(pre), int(post), weight, delay) for pre, post, weight, delay in rows]
        ends = [
            sim.Population(len(rig.made[name]), rig.objects.SubtractiveIF())
            for name in (p.source, p.target)
        ]
        started = time.perf_counter()
        sim.Projection(*ends, sim.FromListConnector(rows), sim.StaticSynapse())
        total += time.perf_counter() - started
    return total


def seconds(way: Callable[[Rig], float], onto: str | None, times: int) -> float:
    """Return the least of several times, each on an empty NEST."""
    objects = imported()
    with kernel(objects):
        return min(way(Rig(objects, onto)) for _ in range(times))


def empty_run() -> int:
    """Return the peak memory, bytes, of a process that simulates nothing."""
    imported()
    lines = dict(line.split(":", 1) for line in STATUS.read_text().splitlines())
    return int(lines["VmHWM"].split()[0]) * 1024


def claims() -> Iterator[Claim]:
    """Measure time and memory."""
    slow, fast = (alone(seconds, *job) for job in ((stock, CONVOLUTION, 1), (bulk, CONVOLUTION, 3)))
    print(f"one convolution: FromListConnector {slow:.1f} s, ours {fast:.3f} s")
    yield at_least("times as fast as FromListConnector", slow / fast, 40)
    bare, ours = (alone(seconds, way, None, 3) for way in (raw, bulk))
    print(f"the example: raw nest.Connect {bare:.2f} s, ours {ours:.2f} s")
    yield at_most("time to connect, relative to raw nest.Connect", ours / bare, 1.3)
    empty = alone(empty_run)
    print(f"a process that has only imported NEST, PyNN and torch: {empty / 1e9:.2f} GB")
    for method in ("paper", "default"):
        with tempfile.TemporaryDirectory() as folder:
            words = (
                f"--backend nest --images 1 --threads {THREADS} --method {method} --json".split()
            )
            found = command(EXAMPLE, *words, "--out", f"{folder}/out")
        size = json.loads(found.printed)["network"]
        print(
            f"method {method}: {size['neurons']:,} neurons, {size['synapses']:,} synapses,"
            f" peak {found.peak / 1e9:.2f} GB"
        )
        what = f"bytes per synapse beside that, method {method}, {THREADS} threads"
        yield at_most(what, (found.peak - empty) / size["synapses"], BYTES)


def main(words: Sequence[str] | None = None) -> int:
    """Measure and print; return the exit code."""
    parser_of(__doc__).parse_args(words)
    return settle(claims())


if __name__ == "__main__":
    sys.exit(main())
