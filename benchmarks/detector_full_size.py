"""Claims: the paper's detector at full size fits on a laptop.

    python3 -m venv tv && tv/bin/pip install torch torchvision onnx
    tv/bin/python examples/export_torchvision.py --depth 18 --size 640 --heads
    python -m benchmarks.detector_full_size retinanet_resnet18.onnx

RetinaNet-ResNet18 at 640x640, random weights: 53 million neurons, 98 billion synapses, of which a
list would fill 780 GB. It is compiled for the reference simulator in < 2 minutes and 6 GB, and 100
steps of one image take < 4 minutes and 12 GB, on one core. Seconds are the processor's, memory is
the peak of a process that does nothing else but read and scale the network. The image, and those
that the scales come from, are scenes of the example, enlarged; nothing is verified or scored.
"""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import spinn_convert as sc
from benchmarks import ROOT
from benchmarks.common import Claim, alone, at_most, parser_of, settle
from spinn_convert.backends.reference import backend as reference
from spinn_convert.backends.reference.program import compile_program
from spinn_convert.conversion.calibrate import calibrate
from spinn_convert.conversion.convert import convert
from spinn_convert.conversion.steps import folded
from spinn_convert.network.recording import Settings, Stimulus
from spinn_convert.network.records import neurons, synapse_counts

STEPS = 100
SCENES = ROOT / "examples" / "retinanet"
METHOD = replace(sc.PAPER, percentile=99.99)


def network_of(path: Path) -> tuple[sc.Network, sc.Model, sc.Scenes]:
    """Return the network with the scales of two images, the model, and its scenes."""
    model = sc.load(path)
    scenes = sc.load_scenes(SCENES, model)
    _, layers = folded(model, METHOD)
    scales = calibrate(model, layers, scenes.calibration[:2], METHOD, 1).scales
    return convert(layers, scales, METHOD, {}), model, scenes


def peak() -> float:
    """Return the largest memory of this process so far, in GB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6


def compiled(path: Path) -> tuple[float, float, int, int]:
    """Return seconds and GB of compiling, and how many neurons and synapses there are."""
    network, _, _ = network_of(path)
    started = time.process_time()
    compile_program(network)
    seconds, memory = time.process_time() - started, peak()
    return seconds, memory, neurons(network), sum(synapse_counts(network).values())


def simulated(path: Path) -> tuple[float, float, float]:
    """Return seconds of simulating one image, GB, and synaptic events per step."""
    network, model, scenes = network_of(path)
    values = model.core_input(scenes.images[:1], 1)
    settings = Settings(STEPS, 1, sampled=(STEPS,))
    recording = reference.run(network, Stimulus(values), settings)
    events = float(recording.synaptic_events.mean()) / STEPS
    return recording.timing["simulate"], peak(), events


def claims(path: Path) -> Iterator[Claim]:
    """Compile, then simulate, each in a process of its own."""
    seconds, memory, size, synapses = alone(compiled, path)
    print(f"{size:,} neurons, {synapses:,} synapses")
    yield at_most("seconds to compile", seconds, 120)
    yield at_most("GB to compile", memory, 6)
    seconds, memory, events = alone(simulated, path)
    print(f"{events:,.0f} synaptic events per step")
    yield at_most(f"seconds of {STEPS} steps", seconds, 240)
    yield at_most("GB to simulate", memory, 12)


def main(arguments: Sequence[str] | None = None) -> int:
    """Check the claims; return the exit code."""
    parser = parser_of(__doc__)
    parser.add_argument("model", type=Path)
    return settle(claims(parser.parse_args(arguments).model))


if __name__ == "__main__":
    sys.exit(main())
