"""Run a converted network on a SpiNNaker board through sPyNNaker, without spinn_convert.

    pip install "spynnaker>=1!7.4.1"     # and a machine in ~/.spynnaker.cfg
    python run.py                        # all images in data.npz
    python run.py 3                      # the first three

The neurons are sPyNNaker's IF_curr_exp with time constants that make the synaptic current keep what
it receives: it is the integrator, and the membrane potential follows it. An inhibitory projection
of every neuron onto itself, with the threshold as its weight, subtracts that after a spike. A
constant current (bias and image) is an i_offset, with an initial current that cancels it until the
release. The output never spikes; its potential is read, and saved in output.pkl, which Neo reads. A
detector has several outputs, each saved; detections.py makes boxes of them, with onnxruntime.

data.npz holds the network as arrays; `header` is JSON and names them. A projection is a sum of
blocks: every connection between channels (output, source, weight in units of `lsb`) is made at
every pair of places, that is spatial positions (post, pre).
"""

from __future__ import annotations

import json
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

NEURONS_PER_CORE = 256
COLOUR_BITS = 4
"""Bits of a spike's key that hold its time step, by which a core recognises late packets."""
CELL = {
    "v_rest": 0.0,
    "v_reset": 0.0,
    "tau_refrac": 0.0,
    "tau_m": 0.05,
    "cm": 0.05,
    "tau_syn_E": 31507.4,
    "tau_syn_I": 31507.4,
}


def build(sim: Any, header: dict[str, Any], data: Any) -> dict[str, Any]:
    """Create all populations and projections; return the populations by name."""
    sim.set_number_of_neurons_per_core(sim.IF_curr_exp, NEURONS_PER_CORE)
    populations = {}
    for entry in header["populations"]:
        population = sim.Population(
            entry["size"],
            sim.IF_curr_exp(v_thresh=entry["v_thresh"], **CELL),
            label=entry["name"],
            max_expected_summed_weight=entry["max_expected_summed_weight"],
            n_colour_bits=COLOUR_BITS,
        )
        population.initialize(v=0.0, isyn_inh=0.0, refract_timer=entry["release"])
        if not entry["per_image"]:
            set_drive(population, data[entry["i_offset"]], data[entry["isyn_exc"]])
        if entry["kind"] == "readout":
            population.record("v")
        populations[entry["name"]] = population
    for entry in header["projections"]:
        rows = expanded([[data[name] for name in block] for block in entry["blocks"]])
        for receptor, sign in (("excitatory", 1), ("inhibitory", -1)):
            some = rows[sign * rows[:, 2] > 0] * [1, 1, sign * entry["lsb"]]
            if len(some):
                sim.Projection(
                    populations[entry["source"]],
                    populations[entry["target"]],
                    sim.FromListConnector(some, column_names=["weight"]),
                    sim.StaticSynapse(delay=entry["delay"]),
                    receptor_type=receptor,
                )
    return populations


def expanded(blocks: list[list[Any]]) -> Any:
    """Return rows (pre, post, weight) by pre, then post; neurons are (channel, row, column)."""
    parts = [np.zeros((0, 3))]
    for output, source, weight, post, pre, (post_places, pre_places) in blocks:
        from_neuron = (source[:, None] * pre_places + pre).ravel()
        to_neuron = (output[:, None] * post_places + post).ravel()
        parts.append(np.stack([from_neuron, to_neuron, np.repeat(weight, len(pre))], axis=1))
    rows = np.concatenate(parts)
    return rows[np.lexsort((rows[:, 1], rows[:, 0]))]


def set_drive(population: Any, i_offset: Any, isyn_exc: Any) -> None:
    """Set the constant current of every neuron, nA."""
    population.set(i_offset=i_offset)
    population.initialize(isyn_exc=isyn_exc)


def set_image(populations: dict[str, Any], header: dict[str, Any], data: Any, image: int) -> None:
    """Set the constant currents that depend on the image."""
    for entry in header["populations"]:
        if entry["per_image"]:
            i_offset, isyn_exc = data[entry["i_offset"]][image], data[entry["isyn_exc"]][image]
            set_drive(populations[entry["name"]], i_offset, isyn_exc)


def gained(potentials: Any, steps: int, since: int) -> Any:
    """Return how much the output's potential grew from step `since` on.

    V is recorded before each update, so its value after the last step is at index `steps`.
    """
    return potentials[steps] - potentials[since]


def answer(logits: Any) -> int:
    """Return the class of the largest logit; of a single logit, whether it is positive."""
    return int(logits[0] > 0) if len(logits) == 1 else int(logits.argmax())


def classify(data: Any, images: int, outputs: list[dict[str, Any]]) -> None:
    """Print the accuracy of a classifier, given what its output gained with each image."""
    predicted = [answer(*output.values()) for output in outputs]
    labels, ann = data["labels"][:images], data["ann"][:images]
    print(f"ANN {(ann == labels).mean():.2%}, SNN {(predicted == labels).mean():.2%}", end=", ")
    print(f"agreement {(predicted == ann).mean():.2%}")


def main() -> None:
    """Map once, run the images one after another, print what was found."""
    import pyNN.spiNNaker as sim
    from fastlist import fast_rows

    data = dict(np.load(Path(__file__).parent / "data.npz"))
    header = json.loads(data["header"].tobytes())
    detections = import_module("detections") if header["detector"] else None
    images = min(header["images"], *map(int, sys.argv[1:2] or ["1000000000"]))
    sim.setup(timestep=1.0)
    with fast_rows():  # the stock way to make rows takes hours for large layers
        populations = build(sim, header, data)
        for image in range(images):
            if image:
                sim.reset()
            set_image(populations, header, data, image)
            sim.run(header["ticks"])
    outputs: list[dict[str, Any]] = [{} for _ in range(images)]
    readouts = [p for p in header["populations"] if p["kind"] == "readout"]
    for number, entry in enumerate(readouts):
        name = entry["name"]
        for output, segment in zip(outputs, populations[name].get_data("v").segments):
            potentials = segment.analogsignals[0].magnitude
            output[name] = gained(potentials, header["steps"], entry["since"])
        populations[name].write_data(f"output{number or ''}.pkl", "v")
    sim.end()
    if detections:
        detections.report(header, data, images, outputs)
    else:
        classify(data, images, outputs)


if __name__ == "__main__":
    main()
