r"""Repeat the experiments of Mueller et al. 2021 on trained ResNets, and go beyond them.

    python examples/reproduce.py examples/resnet18.onnx examples/resnet34.onnx ...
    python examples/reproduce.py examples/resnet18_cifar10.onnx --dataset cifar10 \
        --data cifar-10-python.tar.gz

The first network gets all experiments, every other one the comparison on the test images. Writes
CSV, Markdown and pictures to docs/results, of all runs that are found there; a run of the same
network, settings and images is not repeated, unless its file is deleted. Scales and initial
potentials come from the first 2,000 held-out training images, every choice between settings from
the next (validation), and the test images are looked at for the comparison alone.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import results
from dataset_files import Refused
from numpy.typing import NDArray

import spinn_convert as sc
from spinn_convert import BASIC, PAPER, Method, Model
from spinn_convert.network.readout import DEPTHS, MOST
from spinn_convert.network.records import neurons, synapse_counts
from spinn_convert.network.timing import ReadOut

CALIBRATION = 2_000
FEW = 300
"""Images for what is compared by steps, not by the last tenth of a percent."""
OURS = Method()
BESIDE_PAPER: dict[str, dict[str, Any]] = {
    "99.95th percentile": {"percentile": 99.95},
    "MMSE thresholds": {"percentile": None, "thresholds": "mmse"},
    "potentials per channel": {"potentials": "channel"},
    "potentials per neuron": {"potentials": "neuron"},
    "biases corrected": {"correct_bias": True},
    "2 copies of the first layer": {"copies": 2, "copied_layers": 1},
    "2 copies of the first 3 layers": {"copies": 2, "copied_layers": 3},
    "no clamp, late read-out": {"clamp_delay": 0},
}
WITHOUT: dict[str, dict[str, Any]] = {
    "all, but the 99.99th percentile": {"percentile": 99.99},
    "all but potentials": {"potentials": "fixed"},
    "all but copies": {"copies": 1},
    "all, MMSE thresholds": {"thresholds": "mmse"},
    "all, potentials per neuron": {"potentials": "neuron"},
    "all, biases corrected": {"correct_bias": True},
    "all, but copies of the first layer only": {"copied_layers": 1},
    "all, 3 copies": {"copies": 3},
    "all, copies of every layer": {"copied_layers": 1000},
}


@dataclass(frozen=True)
class Run:
    """One simulation: `after` steps from the output's release, or 40 + depth / 2 if None.

    images: the first so many of the split, or all if None.
    """

    group: str
    name: str
    method: Method
    after: int | None
    read_out: ReadOut = "all"
    split: str = "validation"
    images: int | None = None


@dataclass(frozen=True, eq=False)
class Subject:
    """A network with its images (N, C, H, W) and labels (N,) by split."""

    model: Model
    calibration: NDArray[np.float32]
    splits: dict[str, tuple[NDArray[np.float32], NDArray[np.int64]]]


def experiments() -> Iterator[Run]:
    """Yield what the paper's tables I and II and figures 2 and 3 need, and our own additions."""
    for percentile in (99.0, 99.9, 99.99, 99.999, 100.0):
        method = replace(PAPER, percentile=percentile)
        yield Run("percentiles", f"{percentile:g} per channel", method, 110)
    for percentile in (99.9, 99.99, 100.0):
        method = replace(PAPER, percentile=percentile, normalisation="layer")
        settled = 300 if percentile == 100 else 110  # rates are low, errors fade as 1 / (T rate)
        yield Run("percentiles", f"{percentile:g} per layer", method, settled)
    yield Run("methods", "basic", BASIC, 240, images=FEW)
    for name, changes in (
        ("channel-wise", {"percentile": 99.99, "normalisation": "channel"}),
        ("V = 1/2", {"v_init": 0.5}),
        ("clamp, d = 1", {"clamp_delay": 1}),
    ):
        yield Run("methods", name, replace(BASIC, **changes), 240, images=FEW)
    yield Run("methods", "extended (all three)", PAPER, 110, images=FEW)
    for d in (0, 1, 2, 3):
        yield Run("clamps", f"d = {d}", replace(PAPER, clamp_delay=d), 110 - 17 * d, images=FEW)
    for name, changes in BESIDE_PAPER.items():
        late: ReadOut = "late" if "clamp_delay" in changes else "all"
        yield Run("beyond", f"extended, {name}", replace(PAPER, **changes), 60, late, images=FEW)
    for name, changes in WITHOUT.items():
        yield Run("beyond", name, replace(OURS, **changes), 60, "late", images=FEW)
    yield Run("beyond", "all: our default", OURS, 60, "late", images=FEW)


def comparison(first: bool) -> Iterator[Run]:
    """Yield the runs on the test images; the basic conversion of the first network only."""
    yield Run("comparison", "extended", PAPER, 60, "all", "test")
    yield Run("comparison", "ours", OURS, None, "late", "test")
    if first:
        yield Run("comparison", "basic", BASIC, 200, "all", "test")


def simulate(subject: Subject, run: Run, threads: int | None) -> dict[str, Any]:
    """Convert and simulate; return accuracies by step and what they cost."""
    started, model = time.perf_counter(), subject.model
    title = f"{model.path.stem}: {run.group}, {run.name}"
    images, labels = (array[: run.images] for array in subject.splits[run.split])
    network = sc.convert(model, subject.calibration, run.method, threads)
    steps = network.readouts[0].release + (run.after or 40 + network.depth // 2)

    def progress(done: int, total: int) -> None:
        if done % 50 == 0 or done == total:
            print(f"\r{title}: {done:,} of {total:,}", end="")

    values = model.core_input(images, threads)
    recording = sc.run(network, values, steps=steps, threads=threads, progress=progress)
    scores = sc.score(model, network, recording, images, labels, run.read_out, threads)
    seconds = time.perf_counter() - started
    print(f"\r{title}: {len(images):,} in {seconds:.0f} s      ")
    return {
        "ann": scores.ann,
        "relu1": scores.relu1,
        "accuracy": [round(float(x), 5) for x in scores.snn_by_step],
        "agreement": [round(float(x), 5) for x in scores.agreement_by_step],
        "depth": network.depth,
        "neurons": neurons(network),
        "synapses": sum(synapse_counts(network).values()),
        "spikes_per_step": sum(float(c.mean()) for c in recording.spike_counts.values()) / steps,
        "events_within": [round(float(events)) for events in recording.events_within],
        "seconds": round(seconds, 1),
        "image_steps_per_second": round(len(images) * steps / recording.timing["simulate"]),
    }


def simulated_once(subject: Subject, run: Run, threads: int | None, out: Path) -> None:
    """Write the result of a run, unless there is one of the same network, settings and images."""
    model, images = subject.model, subject.splits[run.split][0][: run.images]
    made_from = {
        **asdict(run),
        "model": model.path.stem,
        "sha256": model.source.sha256,
        "images": len(images),
        "counted": "spikes that can reach an output",
        "first_images": hashlib.sha256(images[:8].tobytes()).hexdigest()[:16],
        **({"left_out": [DEPTHS, MOST]} if run.read_out == "late" else {}),
    }
    name = re.sub(r"[^0-9A-Za-z.]+", "-", run.name).strip("-")
    path = out / "runs" / f"{model.path.stem}-{run.group}-{name}-{len(images)}.json"
    if path.exists() and made_alike(json.loads(path.read_text()), made_from):
        return
    found = {**made_from, "version": sc.__version__, "written": time.time()}
    found |= simulate(subject, run, threads)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    partial.write_text(json.dumps(found) + "\n")
    partial.replace(path)


def made_alike(stored: dict[str, Any], wanted: dict[str, Any]) -> bool:
    """Return if a stored run was made from what is wanted.

    A setting that is newer than the stored run had its default there.
    """
    stored = {**stored, "method": {**asdict(Method()), **stored["method"]}}
    return all(key in stored and stored[key] == value for key, value in wanted.items())


def subject_of(path: Path, data: datasets.Dataset, validation: int, test: int) -> Subject:
    """Read a model, with images from the data set. Raises the errors of reading it."""
    model = sc.load(path)
    images, labels = datasets.held_out_part(data)
    chosen = slice(CALIBRATION, CALIBRATION + validation)
    return Subject(
        model,
        datasets.normalise(images[:CALIBRATION], data),
        {
            "validation": (datasets.normalise(images[chosen], data), labels[chosen].astype(int)),
            "test": (
                datasets.normalise(data.test_images[:test], data),
                data.test_labels[:test].astype(int),
            ),
        },
    )


def main() -> None:
    """Run what is missing, then write all tables and pictures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("models", type=Path, nargs="+", help="ONNX files, the main one first")
    parser.add_argument("--dataset", choices=("fashion-mnist", "cifar10"), default="fashion-mnist")
    parser.add_argument("--data", type=Path, help="where CIFAR-10 is; Fashion-MNIST's folder")
    parser.add_argument("--validation", type=int, default=1_000, help="images, at most 3000")
    parser.add_argument("--test", type=int, default=10_000, help="images")
    parser.add_argument("--comparison-only", action="store_true", help="for every network")
    parser.add_argument("--threads", type=int, help="of the CPU; all cores without it")
    parser.add_argument("--out", type=Path, default=Path("docs/results"))
    arguments = parser.parse_args()
    try:
        if arguments.dataset == "cifar10":
            if arguments.data is None:
                raise SystemExit("error: --dataset cifar10: say where it is, with --data")
            data = datasets.cifar10(arguments.data)
        else:
            data = datasets.fashion_mnist(arguments.data or datasets.FASHION_MNIST)
        subjects = [
            subject_of(path, data, arguments.validation, arguments.test)
            for path in arguments.models
        ]
        runs = [
            (subject, run) for subject in subjects for run in comparison(subject is subjects[0])
        ]
        if not arguments.comparison_only:
            runs += [(subjects[0], run) for run in experiments()]
        for subject, run in runs:
            simulated_once(subject, run, arguments.threads, arguments.out)
    except (Refused, sc.SpinnConvertError) as error:
        print(f"error: {error}", file=sys.stderr)
        raise SystemExit(2) from None
    results.write(results.read(arguments.out), arguments.out)
    print(f"wrote {arguments.out}/README.md")


if __name__ == "__main__":
    main()
