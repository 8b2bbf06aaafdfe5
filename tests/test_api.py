"""What a user's script calls: names, types, errors, and a process that is left as it was."""

from __future__ import annotations

import inspect
import os
import subprocess
import sys
from dataclasses import replace

import matplotlib
import numpy as np
import onnxruntime
import pytest
import torch
from support.networks import classifier, pooled_model, with_images
from support.places import ROOT

import spinn_convert as sc

ERRORS = ["BackendError", "ConversionError", "DataError", "ModelError", "SpinnConvertError"]
FUNCTIONS = [
    "check",
    "convert",
    "load",
    "load_dataset",
    "run",
    "score",
    "software_board",
    "with_stop",
]
METHODS = ["BASIC", "Method", "PAPER"]
RECORDS = ["Dataset", "Model", "Network", "Population", "Problem", "Projection", "Recording"]
OF_DETECTORS = [
    "Detections",
    "DetectorScores",
    "Scenes",
    "Truth",
    "load_scenes",
    "score_detections",
]
NAMES = sorted([*ERRORS, *FUNCTIONS, *METHODS, *OF_DETECTORS, *RECORDS, "Scores", "Stop"])
SECONDS = 0.3


@pytest.fixture
def files(write_model):
    """Model and images of a small classifier."""
    path = with_images(classifier(write_model))
    model = sc.load(path)
    return model, sc.load_dataset(path.with_suffix(".npz"), model)


def test_names_are_the_documented_ones_and_say_what_they_are():
    assert sc.__all__ == NAMES
    assert dir(sc) == sorted([*NAMES, "__version__"])
    with pytest.raises(AttributeError, match="has no attribute 'lod'"):
        sc.lod  # noqa: B018
    for name in NAMES:
        value = getattr(sc, name)
        assert inspect.getdoc(value), name
        if inspect.isclass(value):
            for member, function in inspect.getmembers(value, inspect.isfunction):
                assert member.startswith("_") or inspect.getdoc(function), f"{name}.{member}"


VERSION = """
import sys
from spinn_convert.cli.main import main
sys.argv = ["spinn-convert", "--version"]
try:
    main()
except SystemExit as ended:
    assert not ended.code
"""


@pytest.mark.parametrize("code", ["import spinn_convert", VERSION], ids=["package", "command"])
def test_beginning_takes_no_time_and_loads_no_library(code):
    """Time of the processor, since other processes may hold it."""
    taken = []
    for _ in range(3):
        before = os.times()
        done = subprocess.run(
            [sys.executable, "-c", f"{code}\nimport sys; print(*sys.modules)"],
            capture_output=True,
            text=True,
            check=True,
        )
        after = os.times()
        used = (after.children_user, after.children_system)
        taken.append(sum(used) - before.children_user - before.children_system)
    assert min(taken) < SECONDS
    heavy = {"numpy", "torch", "onnx", "onnxruntime", "numba", "matplotlib", "scipy"}
    assert not heavy & set(done.stdout.split())
    assert "--version" not in code or sc.__version__ in done.stdout


def test_a_round_trip_from_file_to_scores(files, tmp_path):
    model, data = files
    network = sc.convert(model, data.calibration)
    for backend in ("reference", "spinnaker-integers"):
        assert sc.check(network, backend) == []
    values = model.core_input(data.images[:20])
    session = onnxruntime.InferenceSession(model.path, providers=["CPUExecutionProvider"])
    expected = session.run(None, {"x": data.images[:20]})[0]
    assert np.allclose(model.logits(data.images[:20]), expected, atol=1e-5)
    recording = sc.run(network, values, record=["first"])
    assert recording.readout["y"].shape == (20, recording.settings.steps, 3)
    assert len(recording.spikes["first"]) == recording.spike_counts["first"].sum()
    scores = sc.score(model, network, recording, data.images[:20], data.labels[:20])
    assert scores.ann == 1.0
    assert scores.snn == scores.agreement >= 0.9
    network.save(tmp_path / "network.npz")
    again = sc.run(sc.Network.load(tmp_path / "network.npz"), values)
    assert np.array_equal(again.readout["y"], recording.readout["y"])
    assert "first" in network.summary()


def test_methods_by_name_are_those_of_the_package(files):
    model, data = files
    for name, method in (("paper", sc.PAPER), ("basic", sc.BASIC), ("default", sc.Method())):
        by_name, by_record = (sc.convert(model, data.calibration, m) for m in (name, method))
        for ours, theirs in zip(by_name.spiking, by_record.spiking, strict=True):
            assert np.array_equal(ours.v_init, theirs.v_init)
            assert np.array_equal(ours.scale, theirs.scale)


def test_what_a_script_gives_wrongly_is_named(files, tmp_path):
    model, data = files
    images = data.calibration[:]
    network = sc.convert(model, images, "paper")
    values = model.core_input(images[:2])
    recording = sc.run(network, values)
    refused = [
        (sc.DataError, lambda: sc.convert(model, images[:0]), r"shape \(0, 1, 6, 5\)"),
        (sc.DataError, lambda: sc.convert(model, images[:, :, :5]), r"float32 \(B, 1, 6, 5\)"),
        (sc.ConversionError, lambda: sc.convert(model, images, "papr"), "choose from default, pap"),
        (sc.ConversionError, lambda: sc.Method(copies=0), "setting copies: 0 is out of range"),
        (sc.DataError, lambda: sc.run(network, values[:, 0]), "values: shape"),
        (sc.DataError, lambda: sc.run(network, values[0]), "values: shape"),
        (sc.DataError, lambda: sc.run(network, values, record=["y"]), "record 'y': no such pop"),
        (sc.BackendError, lambda: sc.run(network, values, "brian"), "backend brian: unknown"),
        (sc.BackendError, lambda: sc.check(network, "brian"), "choose from reference, nest"),
        (sc.BackendError, lambda: sc.run(network, values, "spinnaker-integers"), "clamp_delay=1"),
        (sc.BackendError, lambda: sc.run(network, values, board="x.cfg"), "no effect on reference"),
        (
            sc.DataError,
            lambda: sc.score(model, network, recording, images, data.labels),
            "2 images",
        ),
        (sc.DataError, lambda: sc.Network.load(tmp_path / "none.npz"), "none.npz"),
        (sc.DataError, lambda: sc.load_dataset(tmp_path / "none.npz", model), "no such file"),
        (sc.ModelError, lambda: sc.load(tmp_path / "none.onnx"), "none.onnx"),
    ]
    for kind, call, words in refused:
        with pytest.raises(kind, match=words) as caught:
            call()
        assert isinstance(caught.value, sc.SpinnConvertError)
        assert all(isinstance(p, sc.Problem) and p.fix for p in caught.value.problems), words
    assert sc.check(network, "spinnaker-integers")[0].where == "clamp"


def state():
    """Return what belongs to the caller and not to a library."""
    return {
        "backend": matplotlib.get_backend(),
        "threads": torch.get_num_threads(),
        "numpy": np.geterr(),
        "random": (np.random.get_state()[1].tolist(), torch.get_rng_state().tolist()),
        "environment": dict(os.environ),
        "folder": os.getcwd(),
        "printed": np.get_printoptions(),
    }


@pytest.fixture
def odd_state():
    """Set what a library might set back, to something unusual."""
    threads, backend = torch.get_num_threads(), matplotlib.get_backend()
    matplotlib.use("svg")
    torch.set_num_threads(3)
    with np.errstate(divide="call", under="raise"):
        yield
    torch.set_num_threads(threads)
    matplotlib.use(backend)


@pytest.mark.parametrize(
    "backend", ["reference", "spinnaker-integers", pytest.param("nest", marks=pytest.mark.nest)]
)
def test_the_callers_state_is_left_alone(files, tmp_path, odd_state, backend):
    model, data = files
    before = state()
    network = sc.convert(model, data.calibration)
    assert state() == before
    recording = sc.run(network, model.core_input(data.images[:4]), backend, steps=20)
    assert state() == before
    scores = sc.score(model, network, recording, data.images[:4], data.labels[:4])
    assert state() == before
    from spinn_convert.results import report

    report.draw(scores, network, "title", tmp_path / "accuracy.png")
    assert state() == before
    assert (tmp_path / "accuracy.png").read_bytes().startswith(b"\x89PNG")


def test_images_may_be_anything_that_makes_them(write_model):
    """As an array of 200 GB would be: a sequence of slices."""
    path = with_images(pooled_model(write_model))
    model = sc.load(path)
    images = sc.load_dataset(path.with_suffix(".npz"), model).calibration

    class Lazy:
        def __len__(self):
            return len(images)

        def __getitem__(self, some):
            return images[some]

    method = replace(sc.PAPER, dead_channels="layer")
    for ours, theirs in zip(
        sc.convert(model, Lazy(), method).spiking,
        sc.convert(model, images[:], method).spiking,
        strict=True,
    ):
        assert np.array_equal(ours.scale, theirs.scale)


SCRIPT = """
from pathlib import Path

import numpy as np

import spinn_convert as sc

model: sc.Model = sc.load(Path("tiny.onnx"), image_shape=(1, 6, 5))
data: sc.Dataset = sc.load_dataset("tiny.npz", model)
method = sc.Method(clamp_delay=1, potentials="neuron", copies=1)


def watch(phase: str) -> sc_progress:
    return lambda done, total: print(phase, done, total)


network: sc.Network = sc.convert(model, data.calibration, method, threads=1, watch=watch)
problems: list[sc.Problem] = sc.check(network, "nest", steps=40)
first: sc.Population = network.spiking[0]
weights: sc.Projection = network.projections[0]
values = model.core_input(data.images[:2])
try:
    recording: sc.Recording = sc.run(network, values, backend="nest", record=[first.name])
except sc.BackendError as error:
    raise SystemExit("; ".join(problem.what for problem in error.problems)) from error
spikes: np.ndarray[tuple[int, ...], np.dtype[np.int32]] = recording.spikes[first.name]
scores: sc.Scores = sc.score(model, network, recording, data.images[:2], data.labels[:2])
print(f"{scores.snn:.2%}", scores.agreement, weights.delay, network.summary())
network.save("network.npz")
sc.Network.load("network.npz").{mistake}
""".replace("sc_progress", "Callable[[int, int], None]").replace(
    "from pathlib", "from collections.abc import Callable\nfrom pathlib"
)


@pytest.mark.slow
def test_a_script_is_checked_by_mypy(tmp_path):
    """Against the package as it is installed: it says itself that it is typed."""
    for mistake, word in (("summary()", "Success"), ("sumary()", "attr-defined")):
        (tmp_path / "script.py").write_text(SCRIPT.replace("{mistake}", mistake))
        done = subprocess.run(
            [sys.executable, "-m", "mypy", "--strict", "script.py"],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
        )
        assert word in done.stdout, done.stdout + done.stderr
        assert (done.returncode == 0) == (word == "Success")
