"""Claims about the shipped SpiNNaker binaries: a residual network on many cores, spike for spike.

A residual network of synaptic integrators, with random convolutions and shortcuts of two steps, is
mapped to a virtual board; its binaries are executed, three images in a row, and compared with
integer arithmetic: every spike and every potential. The third image also equals a fresh boot.

    python benchmarks/emulated_board.py

Needs sPyNNaker and unicorn: pip install 'spinn-convert[spinnaker,emulator]'.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from spinn_convert.backends.spinnaker.fastlist import fast_rows
from spinn_convert.emulator.board import Board
from spinn_convert.emulator.recording import BoardResult
from spinn_convert.emulator.snapshot import after_reset, snapshot
from spinn_convert.linear.maps import LinearMap, synapses
from spinn_convert.linear.ops import Conv

sys.path.append(str(Path(__file__).resolve().parent.parent / "tests"))
from support.spinnaker_rig import DECAY, ONE, SHIFT, Net, integrate, mapped, names, set_image

STEPS, IMAGES, PER_CORE, THRESHOLD = 32, 3, 256, 0.5
SHAPES = (8, 14, 14), (8, 14, 14), (8, 14, 14), (16, 7, 7), (16, 7, 7)
Ints = NDArray[np.int64]
T = TypeVar("T")


def drive(bias: NDArray[np.float64], release: int) -> tuple[Ints, Ints]:
    """Return current and initial excitation that add `bias` thresholds per step from `release` on.

    The sum of both moves by 2^-15 or so of the current per step, and is half a threshold then.
    """
    scaled = np.rint(bias * THRESHOLD * ONE).astype(np.int64)
    excitation = -np.rint(scaled * 2.0**32 / (2**32 - DECAY)).astype(np.int64)
    decayed = excitation
    for _ in range(release):
        decayed = (decayed * DECAY) >> 32
    return round(THRESHOLD / 2 * ONE) + scaled - decayed, excitation


def residual_network(rng: np.random.Generator) -> Net:
    """Return a stem and two residual blocks, the second with half the resolution."""
    net = Net([], [], list(range(len(SHAPES))), round(THRESHOLD * ONE))
    unit = 2.0 ** (SHIFT - 15)
    for i, shape in enumerate(SHAPES):
        size = int(np.prod(shape))
        current, excitation = drive(rng.uniform(-0.1, 0.1, size), i)
        net.current.append(current)
        net.excitation.append(excitation)
        every = np.arange(size)
        net.connect(i, i, every, every, np.full(size, -round(THRESHOLD / unit)), 1)
    for source, target, kernel in (
        (0, 1, 3),
        (1, 2, 3),
        (0, 2, 1),
        (2, 3, 3),
        (3, 4, 3),
        (2, 4, 1),
    ):
        channels, out = SHAPES[source][0], SHAPES[target][0]
        stride = SHAPES[source][1] // SHAPES[target][1]
        fan_in = channels * kernel**2
        weight = rng.normal(0.1, 1, (out, channels, kernel, kernel)) * fan_in**-0.5
        pads = (kernel // 2,) * 4
        conv = Conv(weight.astype(np.float32), (stride, stride), pads)
        pieces = synapses(LinearMap(SHAPES[source], (conv,)), 12)
        pre, post, values = (np.concatenate(part) for part in zip(*pieces))
        scaled = np.rint(values * THRESHOLD / unit).astype(np.int64)
        net.connect(source, target, pre, post, scaled, target - source)
    return net


def timed(what: str, action: Callable[[], T]) -> T:
    """Print how long an action takes."""
    started = time.perf_counter()
    result = action()
    print(f"{what}: {time.perf_counter() - started:.1f} s", flush=True)
    return result


def compare(number: int, result: BoardResult, net: Net) -> int:
    """Print how many spikes and potentials differ from integer arithmetic; return their sum."""
    spikes, potentials = integrate(net, STEPS)
    differing = fired = wrong = 0
    for i, name in enumerate(names(net)):
        mine, theirs = set(map(tuple, spikes[i])), set(map(tuple, result.spikes[name].tolist()))
        differing, fired = differing + len(mine ^ theirs), fired + len(mine)
        wrong += int((potentials[i] != result.potentials[name]).sum())
    total = sum(p.size for p in potentials)
    print(
        f"image {number}: {differing} of {fired:,} spikes differ, {wrong} of {total:,} potentials; "
        f"losses {result.losses()}"
    )
    return differing + wrong


def main() -> None:
    """Run the benchmark; fails when anything differs."""
    rng = np.random.default_rng(0)
    net = residual_network(rng)
    stems = [drive(rng.uniform(-0.4, 0.4, len(net.current[0])), 0) for _ in range(IMAGES)]
    nets, images = [], []
    with tempfile.TemporaryDirectory() as directory, fast_rows():
        net.current[0], net.excitation[0] = stems[0]
        started = time.perf_counter()
        with mapped(Path(directory), net, STEPS, PER_CORE) as (sim, pops):
            print(f"mapping: {time.perf_counter() - started:.1f} s")
            images.append(snapshot(STEPS))
            nets.append(net)
            for current, excitation in stems[1:]:
                sim.reset()
                set_image(pops[:1], [current], [excitation])
                images.append(after_reset(images[0]))
                sim.run(STEPS)
                currents, initial = [current, *net.current[1:]], [excitation, *net.excitation[1:]]
                nets.append(Net(currents, initial, net.hold, net.threshold, net.links))
    synapse_count = sum(len(link[2]) for link in net.links)
    cores = images[0].cores
    print(
        f"{sum(map(len, net.current)):,} neurons, {synapse_count:,} synapses, {len(cores)} cores "
        f"on {len({core.where[:2] for core in cores})} chips, {STEPS} steps"
    )
    board = timed("boot", lambda: Board(images[0]))
    wrong = 0
    for number, (image, expected) in enumerate(zip(images, nets), start=1):
        if number > 1:
            timed("  reload", lambda image=image: board.reload(image))
        result = timed("  run", lambda: board.run(STEPS))
        wrong += compare(number, result, expected)
    fresh = Board(images[-1]).run(STEPS)
    same = all(np.array_equal(fresh.spikes[n], result.spikes[n]) for n in names(net))
    same &= all(np.array_equal(fresh.potentials[n], result.potentials[n]) for n in names(net))
    print(f"image {IMAGES} equals a fresh boot: {same}")
    sys.exit(bool(wrong) or not same)


if __name__ == "__main__":
    main()
