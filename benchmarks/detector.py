"""Claims about the shipped detector: mAP by step beside the paper's conversion, NEST, the board.

    python examples/scenes.py --count 500 --out scenes
    python examples/scenes.py --split calibration --count 1000 --out scenes/calibration
    python -m benchmarks.detector scenes

Every setting was chosen on other scenes. NEST simulates one scene for 64 steps (7 GB), the board's
integers 100 scenes.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

import spinn_convert as sc
from benchmarks import ROOT
from benchmarks.common import Claim, at_least, at_most, parser_of, settle
from spinn_convert.jobs import run as job
from spinn_convert.jobs.prepare import Source
from spinn_convert.jobs.recipe import Recipe
from spinn_convert.jobs.simulation import RunOptions

MODEL = ROOT / "examples" / "retinanet.onnx"
NEVER = 10_000
"""Steps of what is not reached."""
NEST_STEPS = 64


def report(scenes: Path, **options: Any) -> dict[str, Any]:
    """Return the content of report.json of a run."""
    recipe = options.pop("recipe", None)
    annotations = scenes / "instances.json"
    with tempfile.TemporaryDirectory() as folder:
        source = Source(MODEL, annotations, recipe=recipe, threads=2)
        found = job.execute(RunOptions(source, out=Path(folder) / "out", **options)).report
    snn = found["snn"]
    print(f"steps {snn['steps_sampled']}")
    print(f"mAP {[round(100 * value, 2) for value in snn['map_by_step']]}")
    print(f"agreement {[round(value, 3) for value in snn['agreement_by_step']]}", flush=True)
    return found


def first(found: dict[str, Any], key: str, enough: float) -> int:
    """Return the sampled step from which on a score stays high enough, or NEVER."""
    steps, values = found["snn"]["steps_sampled"], found["snn"][key]
    short = [i for i, value in enumerate(values) if value < enough]
    after = short[-1] + 1 if short else 0
    return steps[after] if after < len(steps) else NEVER


def claims(scenes: Path) -> Iterator[Claim]:
    """Run the detector on all scenes, then the others on some."""
    ours = report(scenes, steps=150)
    ann, relu1 = ours["ann"]["map"], ours["relu1"]
    print(f"ANN {ann:.4f}, ReLU1 {relu1['map']:.4f}")
    yield at_least("mAP of the ANN", ann, 0.47)
    yield at_least("mAP of ReLU1, less the ANN's", relu1["map"] - ann, -0.003)
    yield at_least("agreement of ReLU1", relu1["agreement"], 0.98)
    yield at_most("steps within 1 %", first(ours, "map_by_step", 0.99 * ann), 60)
    yield at_most("steps within 0.4 %", first(ours, "map_by_step", 0.996 * ann), 70)
    yield at_most("steps within 0.12 points", first(ours, "map_by_step", ann - 0.0012), 70)
    yield at_most("steps to agreement 0.95", first(ours, "agreement_by_step", 0.95), 125)
    paper = report(scenes, steps=300, recipe=Recipe(sc.PAPER))
    theirs = first(paper, "map_by_step", 0.996 * ann)
    ratio = first(ours, "map_by_step", 0.996 * ann) / theirs
    yield at_most(f"steps within 0.4 %, of the paper's {theirs}", ratio, 0.65)
    events = ours["synaptic_events_per_image"] / paper["synaptic_events_per_image"]
    print(f"synaptic events of 150 steps, of the paper's in 300: {events:.2f}")
    floats = report(scenes, steps=112, images=100)
    board = report(scenes, steps=112, images=100, backend="spinnaker-integers")
    lost = floats["snn"]["map"] - board["snn"]["map"]
    yield at_most("mAP that the board's integers lose, 100 scenes", lost, 0.005)
    yield at_most("spikes that NEST fires otherwise, one scene", _differing(scenes), 0)


def _differing(scenes: Path) -> int:
    """Return how many spikes of one scene NEST fires otherwise than the reference."""
    model = sc.load(MODEL)
    known = sc.load_scenes(scenes, model)
    network = sc.convert(model, known.calibration[:100], threads=2)
    values = model.core_input(known.images[:1])
    names = [population.name for population in network.spiking]
    counted = []
    for backend in ("reference", "nest"):
        found = sc.run(network, values, backend, NEST_STEPS, sampled=[NEST_STEPS])
        counted.append(np.array([found.spike_counts[name] for name in names]))
    return int(np.abs(counted[0] - counted[1]).sum())


def main(arguments: Sequence[str] | None = None) -> int:
    """Check the claims; return the exit code."""
    parser = parser_of(__doc__)
    parser.add_argument("scenes", type=Path)
    return settle(claims(parser.parse_args(arguments).scenes))


if __name__ == "__main__":
    sys.exit(main())
