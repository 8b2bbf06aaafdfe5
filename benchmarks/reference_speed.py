"""Claim: the reference simulator does >= 5.5x the image-steps per second of SpikingJelly.

    python3 -m venv sj
    sj/bin/pip install torch==2.13.0 numpy scipy matplotlib tqdm loguru h5py packaging requests
    sj/bin/pip install --no-deps spikingjelly==2.0.0
    python -m benchmarks.reference_speed --peer sj/bin/python

SpikingJelly has a venv of its own, since its declared dependencies replace torch. Both simulate the
same model, images, steps and threads, one after the other, three times; the best of each counts.
The peer gets the model as a torch module, and is given both memory layouts and both of its modes.
Simulation alone is timed, not conversion.
"""

from __future__ import annotations

import argparse
import json
import operator
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import fx, nn

import spinn_convert as sc
from benchmarks.common import Claim, Example, at_least, parser_of, prepare, settle
from spinn_convert.linear.ops import Affine, Conv, Dense, Floats, Input, LinearOp, Relu, Sum
from spinn_convert.model.graph import Graph

PEER = Path(__file__).with_name("spikingjelly_peer.py")
CALIBRATION, REPEATS = 500, 3


def linear_module(op: LinearOp, bias: Floats | None) -> nn.Module:
    """Return torch's own module for one linear operator."""
    if isinstance(op, Conv):
        out, per_group, *kernel = op.weight.shape
        inputs, pads = per_group * op.groups, op.pads[:2]
        module: nn.Module = nn.Conv2d(
            inputs, out, tuple(kernel), op.stride, pads, op.dilation, op.groups
        )
    elif isinstance(op, Dense):
        module = nn.Linear(op.weight.shape[1], op.weight.shape[0])
    else:
        return nn.Flatten()
    module.weight.data = torch.from_numpy(op.weight.copy())
    zero = np.zeros(len(op.weight), np.float32)
    module.bias.data = torch.from_numpy((zero if bias is None else bias.ravel() + zero).copy())
    return module


def as_torch(graph: Graph) -> nn.Module:
    """Return the graph as a torch module of convolutions, rectifiers and sums."""
    modules: dict[str, nn.Module] = {}
    traced, made = fx.Graph(), dict[str, fx.Node]()
    for index, node in enumerate(graph.nodes):
        inputs = tuple(made[name] for name in node.inputs)
        if isinstance(node.op, Input):
            made[node.name] = traced.placeholder("image")
        elif isinstance(node.op, Sum):
            made[node.name] = traced.call_function(operator.add, inputs)
        elif isinstance(node.op, Relu):
            modules[f"m{index}"] = nn.ReLU()
            made[node.name] = traced.call_module(f"m{index}", inputs)
        elif isinstance(node.op, Affine):
            parts = [linear_module(op, node.op.bias) for op in node.op.ops]
            modules[f"m{index}"] = nn.Sequential(*parts)
            made[node.name] = traced.call_module(f"m{index}", inputs)
    traced.output(made[graph.outputs[0]])
    return fx.GraphModule(modules, traced).eval()


def own_speed(example: Example, batch: int, steps: int, threads: int) -> float:
    """Return image-steps per second of the reference simulator, the best of REPEATS."""
    values = example.data.images[:batch]
    sc.run(example.network, values[:1], steps=1)  # numba compiles
    times = [
        sc.run(example.network, values, steps=steps, threads=threads).timing["simulate"]
        for _ in range(REPEATS)
    ]
    return batch * steps / min(times)


def peer_speed(python: str, example: Example, batch: int, steps: int, threads: int) -> float:
    """Return image-steps per second of SpikingJelly's best mode, the best of REPEATS."""
    data = example.data
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "ann.pt"
        given = {
            "ann": as_torch(example.model.graph),
            "images": torch.from_numpy(data.images[:batch]),
            "labels": torch.from_numpy(data.labels[:batch]),
            "calibration": torch.from_numpy(data.calibration[:CALIBRATION]),
        }
        torch.save(given, path)
        words = [path, "--steps", steps, "--threads", threads, "--repeats", REPEATS]
        called = [python, "-W", "ignore", str(PEER), *map(str, words)]
        done = subprocess.run(called, check=True, stdout=subprocess.PIPE, text=True)
    found = json.loads(done.stdout.splitlines()[-1])
    for mode, outcome in found.items():
        print(f"SpikingJelly, {mode}: {outcome}")
    return max(float(row["image_steps_per_s"]) for row in found.values() if isinstance(row, dict))


def claims(arguments: argparse.Namespace) -> Iterator[Claim]:
    """Measure both."""
    numbers = arguments.batch, arguments.steps, arguments.threads
    example = prepare("paper", arguments.threads)
    peer, own = peer_speed(arguments.peer, example, *numbers), own_speed(example, *numbers)
    print(f"SpikingJelly {peer:,.0f}, reference {own:,.0f} image-steps per second")
    yield at_least("image-steps per second, relative to SpikingJelly", own / peer, 5.5)


def main(words: Sequence[str] | None = None) -> int:
    """Measure and print; return the exit code."""
    parser = parser_of(__doc__)
    parser.add_argument("--peer", default="sj/bin/python", help="python with SpikingJelly")
    parser.add_argument("--batch", type=int, default=100, help="images")
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--threads", type=int, default=2)
    return settle(claims(parser.parse_args(words)))


if __name__ == "__main__":
    sys.exit(main())
