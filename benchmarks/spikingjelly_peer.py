"""The peer of benchmarks/reference_speed.py: image-steps per second of SpikingJelly's network.

Runs in a venv of its own, since SpikingJelly's declared dependencies replace torch:

    python3 -m venv sj
    sj/bin/pip install torch==2.13.0 numpy scipy onnx onnxruntime matplotlib tqdm loguru h5py \
        packaging requests
    sj/bin/pip install --no-deps spikingjelly==2.0.0
    PYTHONPATH=. sj/bin/python benchmarks/spikingjelly_peer.py --model examples/resnet18.onnx

Prints one JSON line. The peer gets its best shot: both memory layouts, single and multi-step mode,
three runs each, the fastest counts; simulation alone is timed, not conversion.
"""

from __future__ import annotations

import argparse
import json
import operator
import time
from pathlib import Path

import numpy as np
import torch
from spikingjelly.activation_based import ann2snn, functional
from spikingjelly.activation_based.ann2snn.recipes.rate_coding import RateCodingRecipe
from torch import Tensor, fx, nn

from spinn_convert.linear.ops import Affine, Conv, Dense, Input, LinearOp, Relu, Sum
from spinn_convert.model.graph import Graph
from spinn_convert.model.load import load


def linear_module(op: LinearOp, bias: np.ndarray | None) -> nn.Module:
    """Return torch's own module for one linear operator."""
    if isinstance(op, Conv):
        out, per_group, *kernel = op.weight.shape
        module: nn.Module = nn.Conv2d(
            per_group * op.groups,
            out,
            tuple(kernel),
            op.stride,
            op.pads[:2],
            op.dilation,
            op.groups,
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
    traced, made = fx.Graph(), {}
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


def seconds(network: nn.Module, images: Tensor, steps: int, multi: bool) -> tuple[float, Tensor]:
    """Return the best time of three for `steps` steps of a batch, and the summed outputs."""
    functional.set_step_mode(network, "m" if multi else "s")
    best = float("inf")
    for _ in range(3):
        functional.reset_net(network)
        started = time.perf_counter()
        if multi:
            total = network(images.expand(steps, *images.shape)).sum(0)
        else:
            total = sum(network(images) for _ in range(steps))
        best = min(best, time.perf_counter() - started)
    return best, total


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", type=Path, default=Path("examples/resnet18.onnx"))
    parser.add_argument("--batch", type=int, default=50)
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    data = np.load(arguments.model.with_suffix(".npz"))
    columns = (1, -1, 1, 1)
    mean, std = data["mean"].reshape(columns), data["std"].reshape(columns)
    prepare = lambda raw: torch.from_numpy(  # noqa: E731
        ((raw.astype(np.float32) * data["scale"] - mean) / std).astype(np.float32)
    )
    ann = as_torch(load(arguments.model).graph)
    images, labels = prepare(data["images"][: arguments.batch]), data["labels"][: arguments.batch]
    calibration = [(prepare(data["calibration_images"][i : i + 50]), 0) for i in range(0, 500, 50)]
    rows = {}
    with torch.inference_mode():
        ann_accuracy = float((ann(images).argmax(1).numpy() == labels).mean())
    for layout in (torch.contiguous_format, torch.channels_last):
        recipe = RateCodingRecipe(calibration, mode="99.9%")
        network = ann2snn.Converter(recipe).convert(as_torch(load(arguments.model).graph))
        network = network.eval().to(memory_format=layout)
        with torch.inference_mode():
            for multi in (False, True):
                try:
                    time_s, total = seconds(
                        network, images.contiguous(memory_format=layout), arguments.steps, multi
                    )
                except Exception as error:  # a mode that the library does not offer here
                    rows[f"{layout}, {'m' if multi else 's'}"] = f"fails: {type(error).__name__}"
                    continue
                rate = arguments.batch * arguments.steps / time_s
                accuracy = float((total.argmax(1).numpy() == labels).mean())
                rows[f"{layout}, {'m' if multi else 's'}"] = (rate, accuracy)
    speeds = {mode: row for mode, row in rows.items() if not isinstance(row, str)}
    mode = max(speeds, key=lambda key: speeds[key][0])
    result = {"mode": mode, "image_steps_per_s": speeds[mode][0], "accuracy": speeds[mode][1]}
    print(json.dumps({**result, "ann_accuracy": ann_accuracy, "all": rows}))


if __name__ == "__main__":
    main()
