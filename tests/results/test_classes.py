"""One logit or several: the classes that scores compare are those of onnxruntime's outputs."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import onnxruntime
import pytest
from onnx import helper

from spinn_convert.backends.reference import backend as reference
from spinn_convert.conversion import steps
from spinn_convert.conversion.method import PAPER
from spinn_convert.errors import DataError, ModelError
from spinn_convert.jobs.score import ScoreOptions, execute
from spinn_convert.model import classes, host
from spinn_convert.model.load import load
from spinn_convert.network.recording import Settings, Stimulus, silent
from spinn_convert.results import decode, neo_file, report

IMAGES = 60
TAILS = {
    "logit": (),
    "Sigmoid": ("Sigmoid",),
    "HardSigmoid": ("HardSigmoid",),
    "Tanh": ("Tanh",),
    "Sigmoid, then moved": ("Sigmoid", "Flatten"),
    "Sigmoid without its axis": ("Sigmoid", "Squeeze"),
}


def binary_classifier(write_model, tail=(), outputs=1):
    """Write a convolution, Relu and a dense layer with one output, and what follows on it."""
    rng = np.random.default_rng(3)
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["a"], pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["a"], ["b"]),
        helper.make_node("Flatten", ["b"], ["c"]),
        helper.make_node("Gemm", ["c", "v", "bias"], ["t0"]),
    ]
    weights = {
        "w": rng.normal(0, 0.4, (4, 1, 3, 3)).astype(np.float32),
        "v": rng.normal(0, 0.1, (120, outputs)).astype(np.float32),
        "bias": np.full(outputs, 0.05, np.float32),
        "axes": np.array([1]),
    }
    for number, operator in enumerate(tail):
        read = [f"t{number}", "axes"] if operator == "Squeeze" else [f"t{number}"]
        nodes.append(helper.make_node(operator, read, [f"t{number + 1}"]))
    nodes[-1].output[0] = "y"
    return write_model(nodes, weights)


@pytest.fixture
def images():
    return np.random.default_rng(4).normal(0, 1, (IMAGES, 1, 6, 5)).astype(np.float32)


def of_onnxruntime(path, images):
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return session.run(None, {"x": images})[0].reshape(IMAGES)


def converted(path, images):
    """Return the model, its network, and a recording of it after 200 steps."""
    model, method = load(path), replace(PAPER, dead_channels="layer")
    network = steps.converted(model, images, method, 1)
    return model, network, reference.run(network, Stimulus(images), Settings(200))


@pytest.mark.parametrize("tail", TAILS.values(), ids=TAILS)
def test_one_output_tells_two_classes_apart(write_model, images, tail):
    """Here a logit is the oracle: what a network with a tail says is the side of it."""
    said = of_onnxruntime(binary_classifier(write_model), images) > 0
    assert 0.3 < said.mean() < 0.7
    path = binary_classifier(write_model, tail)
    model, network, recording = converted(path, images)
    assert classes.number_of(model) == 2
    ann = host.logits(model, images, 1)
    assert ann.ravel() == pytest.approx(of_onnxruntime(path, images), abs=1e-5)
    threshold = classes.threshold(model)
    assert np.array_equal(classes.predictions(ann, threshold), said)
    logits = decode.decoder(model, network, 1)
    snn = decode.snn_logits(network, recording, images, logits, "all", silent)
    scores = report.score(snn, ann, ann, said.astype(np.int64), threshold)
    assert (scores.ann, scores.relu1) == (1, 1)
    assert scores.snn_by_step[-1] > 0.94
    wrong = report.score(snn, ann, ann, 1 - said, threshold)
    assert (wrong.ann, wrong.agreement_by_step[-1]) == (0, scores.agreement_by_step[-1])


def test_several_outputs_say_the_largest():
    logits = np.random.default_rng(0).normal(0, 1, (7, 5, 3))
    wanted = [[max(range(3), key=list(row).__getitem__) for row in rows] for rows in logits]
    assert classes.predictions(logits, 0.5).tolist() == wanted


@pytest.mark.parametrize("tail", [("Neg", "Exp"), ("Sigmoid", "Sqrt")])
def test_other_operators_behind_one_output_are_refused(write_model, tail):
    model = load(binary_classifier(write_model, tail))
    for function in (classes.number_of, classes.threshold):
        with pytest.raises(ModelError, match=rf"one output, made by .*{tail[-1]}"):
            function(model)


def test_several_outputs_may_have_any_tail(write_model):
    path = binary_classifier(write_model, ("Sigmoid", "Sqrt"), outputs=3)
    model = load(path)
    assert classes.number_of(model) == 3


@pytest.mark.parametrize(
    "outputs",
    [(("y", None),), (("y", (2, 3)),), (("y", (3,)), ("z", (3,))), (("y", ()),)],
    ids=["unknown", "matrix", "two", "vector without a batch axis"],
)
def test_what_is_no_vector_is_refused(outputs):
    model = SimpleNamespace(outputs=outputs, after=(), batched=False, path="m.onnx")
    with pytest.raises(ModelError, match="one vector of logits"):
        classes.number_of(model)


@pytest.mark.slow
@pytest.mark.parametrize("tail", [(), ("Sigmoid",)], ids=["logit", "Sigmoid"])
def test_a_recorded_logit_is_scored(write_model, images, tmp_path, tail):
    pytest.importorskip("neo")
    pytest.importorskip("nixio")
    path = binary_classifier(write_model, tail)
    model, network, recording = converted(path, images)
    ann = host.logits(model, images, 1)
    said = classes.predictions(ann, classes.threshold(model))
    block = neo_file.output_block(recording, network, said, "all")
    neo_file.save(block, tmp_path / "recording.nix")
    np.save(tmp_path / "labels.npy", said)
    recorded = ScoreOptions(tmp_path / "recording.nix", tmp_path / "labels.npy")
    found = execute(recorded)
    logits = decode.decoder(model, network, 1)
    snn = decode.snn_logits(network, recording, images, logits, "all", silent)
    wanted = report.score(snn, ann, ann, said, classes.threshold(model))
    assert found["ann"] == {"accuracy": 1}
    assert found["snn"] == report.snn_json(wanted)
    np.save(tmp_path / "labels.npy", said + 1)
    with pytest.raises(DataError, match=r"labels from 1 to 2.*classes 0 and 1"):
        execute(recorded)
