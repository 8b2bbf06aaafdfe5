"""Run a converted network on NEST through PyNN, without spinn_convert.

    pip install PyNN nest-simulator
    python run.py            # all images in data.npz
    python run.py 3          # the first three

data.npz holds the network as arrays; `header` is JSON and names them. A population has a bias (or,
with input from the image, a current per image) in thresholds per step, an initial potential, and
the step of its release, before which it keeps its potential and ignores input. The threshold is 1,
and a spike subtracts it (or sets V to v_reset, if there is one). The output never spikes; its
potential is read. A projection is a sum of blocks: every connection between channels (output,
source, weight) is made at every pair of places, that is spatial positions (post, pre).

A detector has several outputs. detections.py makes boxes of their potentials; it needs onnxruntime.
"""

from __future__ import annotations

import json
import os
import sys
import time
import warnings
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

os.environ.setdefault("PYNEST_QUIET", "1")
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import nest
    import pyNN.nest as sim
    from pyNN.connectors import Connector
    from pyNN.nest.cells import NativeCellType

NEVER = 1e30
"""A threshold that no potential reaches."""


class SubtractiveIF(NativeCellType):  # type: ignore[misc]
    """Integrate-and-fire without leak; NEST's eprop_iaf subtracts the threshold at a spike."""

    nest_model = "eprop_iaf"
    nest_name: ClassVar = {"on_grid": "eprop_iaf", "off_grid": "eprop_iaf"}
    default_parameters: ClassVar = {
        "C_m": 1.0,
        "E_L": 0.0,
        "V_m": 0.0,
        "V_th": 1.0,
        "I_e": 0.0,
        "t_ref": 0.0,
        "tau_m": 2.0**53,  # ms; a power of two, so that the gain is exactly 1
    }
    default_initial_values: ClassVar[dict[str, float]] = {}
    recordable: ClassVar = ["V_m", "spikes"]
    units: ClassVar = {"V_m": "dimensionless", "spikes": "ms"}
    receptor_types: ClassVar = ["excitatory", "inhibitory"]
    standard_receptor_type = True
    conductance_based = False
    injectable = True
    always_local = False
    uses_parrot = False


class ConstantResetIF(SubtractiveIF):
    """The same with NEST's iaf_psc_delta, which resets to a constant."""

    nest_model = "iaf_psc_delta"
    nest_name: ClassVar = {"on_grid": "iaf_psc_delta", "off_grid": "iaf_psc_delta"}
    default_parameters: ClassVar = {**SubtractiveIF.default_parameters, "V_reset": 0.0}


class Blocks(Connector):  # type: ignore[misc]
    """Connects block by block; PyNN's list connectors need a call per neuron."""

    parameter_names = ()

    def __init__(self, blocks: list[tuple[Any, ...]]) -> None:
        super().__init__()
        self.blocks = blocks

    def connect(self, projection: Any) -> None:
        """Connect all pairs; called by PyNN."""
        first_pre = projection.pre.node_collection[0].global_id
        first_post = projection.post.node_collection[0].global_id
        delay = projection.synapse_type.native_parameters["delay"].base_value
        for pre, post, weight in expanded(self.blocks):
            synapse = {
                "synapse_model": "static_synapse",
                "weight": weight,
                "delay": np.full(weight.size, delay),
            }
            nest.Connect(pre + first_pre, post + first_post, "one_to_one", synapse)


def expanded(blocks: list[tuple[Any, ...]]) -> Iterator[tuple[Any, Any, Any]]:
    """Yield (pre, post, weight) of each block; neurons are numbered (channel, row, column)."""
    for output, source, weight, post, pre, (post_places, pre_places) in blocks:
        yield (
            (source[:, None] * pre_places + pre).ravel(),
            (output[:, None] * post_places + post).ravel(),
            np.repeat(weight.astype(float), len(pre)),
        )


def build(header: dict[str, Any], data: Any) -> dict[str, Any]:
    """Create all populations and projections; return NEST's nodes by population."""
    populations = {}
    for population in header["populations"]:
        cell = ConstantResetIF if population["v_reset"] else SubtractiveIF
        size, name = population["size"], population["name"]
        populations[name] = sim.Population(size, cell(V_th=NEVER), label=name)
        nodes = populations[name].node_collection
        nodes.set(I_e=data[population["bias"]])
        if population["v_reset"]:
            nodes.set(V_reset=data[population["v_reset"]])
    for number, projection in enumerate(header["projections"]):
        print(f"\rprojection {number + 1} of {len(header['projections'])}", end="", flush=True)
        blocks = [tuple(data[name] for name in block) for block in projection["blocks"]]
        sim.Projection(
            populations[projection["source"]],
            populations[projection["target"]],
            Blocks(blocks),
            sim.StaticSynapse(delay=projection["delay"]),
        )
    print()
    return {name: population.node_collection for name, population in populations.items()}


def present(header: dict[str, Any], data: Any, nodes: dict[str, Any], image: int) -> dict[str, Any]:
    """Present one image; return what each output's potential has gained since its step `since`."""
    for population in header["populations"]:  # silence all, and let spikes in flight arrive
        nodes[population["name"]].set(V_th=NEVER)
        if population["currents"]:
            nodes[population["name"]].set(I_e=data[population["currents"]][image])
    nest.Simulate(header["longest_delay"] + 1.0)
    outputs = [p for p in header["populations"] if p["kind"] == "readout"]
    before: dict[str, Any] = {}
    steps, now = header["steps"], 0
    moments = {p["release"] for p in header["populations"]} | {p["since"] for p in outputs}
    for stop in sorted({*(moment for moment in moments if moment < steps), steps}):
        if stop > now:
            nest.Simulate(float(stop - now))
            now = stop
        for population in outputs:
            if population["since"] == stop:
                before[population["name"]] = potential(nodes[population["name"]])
        for population in header["populations"]:
            if population["release"] == stop < steps:
                spiking = population["kind"] == "spiking"
                nodes[population["name"]].set(
                    V_m=data[population["v_init"]], V_th=1.0 if spiking else NEVER
                )
                if population["kind"] == "readout" and stop >= population["since"]:
                    before[population["name"]] = np.zeros(1)
    return {
        p["name"]: potential(nodes[p["name"]]) - before[p["name"]]
        if p["release"] < steps
        else np.zeros(p["size"])
        for p in outputs
    }


def potential(nodes: Any) -> Any:
    """Return V of some neurons; NEST gives a number, not a vector, of one."""
    return np.atleast_1d(nodes.get("V_m"))


def answer(logits: Any) -> int:
    """Return the class of the largest logit; of a single logit, whether it is positive."""
    return int(logits[0] > 0) if len(logits) == 1 else int(logits.argmax())


def classify(data: Any, images: int, gained: Iterator[dict[str, Any]]) -> None:
    """Print the accuracy of a classifier, given what its output gained with each image."""
    right = same = 0
    for image, outputs in enumerate(gained):
        predicted = answer(*outputs.values())
        right += predicted == data["labels"][image]
        same += predicted == data["ann"][image]
        print(f"\rimage {image + 1} of {images}", end="", flush=True)
    ann = (data["ann"][:images] == data["labels"][:images]).mean()
    print(f"\nANN {ann:.2%}, SNN {right / images:.2%}, agreement {same / images:.2%}")


def main() -> None:
    """Build once, present the images one after another, print what was found."""
    if nest.num_processes > 1:
        sys.exit(1 if nest.Rank() else "this script is for one process: start it without mpirun")
    data = dict(np.load(Path(__file__).parent / "data.npz"))
    header = json.loads(data["header"].tobytes())
    detections = import_module("detections") if header["detector"] else None
    images = min(header["images"], *map(int, sys.argv[1:2] or ["1000000000"]))
    started = time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        sim.setup(
            timestep=1.0,
            min_delay=1.0,
            max_delay=float(header["longest_delay"]),
            spike_precision="on_grid",
            threads=os.cpu_count() or 1,
            verbosity="error",
        )
        nodes = build(header, data)
        print(f"built in {time.perf_counter() - started:.0f} s")
        gained = (present(header, data, nodes, image) for image in range(images))
        if detections:
            detections.report(header, data, images, gained)
        else:
            classify(data, images, gained)


if __name__ == "__main__":
    main()
