"""Scores of a detector's recording: what ANN, ReLU1 and SNN find on the same scenes."""

from __future__ import annotations

from collections.abc import Sequence

from spinn_convert.files.scenes import Truth
from spinn_convert.model import host
from spinn_convert.model.host import ImageSequence
from spinn_convert.model.load import Model
from spinn_convert.network.recording import Recording, Watch
from spinn_convert.network.records import Network
from spinn_convert.results.detection import decode
from spinn_convert.results.detection.scores import DetectorScores, compare


def score(
    model: Model,
    network: Network,
    recording: Recording,
    images: ImageSequence,
    truth: Sequence[Truth],
    scored: tuple[int, ...],
    read_out: str,
    threads: int,
    watch: Watch,
) -> DetectorScores:
    """Return the scores of B recorded scenes after the steps `scored`; the ANN runs here.

    images: (B, *image shape), the model's input. read_out: "all" or "late". Raises DataError where
    steps were not kept, or for a file of heads without its anchors; ModelError for a classifier.
    """
    heads = decode.heads_of(model)
    decode.check_kept(network, recording.settings, scored, read_out)
    ann = decode.ann_detections(model, heads, images, threads, watch("ANN"))
    run = decode.decoder(model, heads, network, threads)
    values = host.core_input(model, images, threads)
    relu1 = decode.rate_detections(network, values, images, run, threads, watch("ReLU1"))
    progress = watch("decode")
    found = decode.snn_detections(network, recording, images, run, read_out, scored, progress)
    return compare(ann, relu1, list(zip(*found)), scored, truth)
