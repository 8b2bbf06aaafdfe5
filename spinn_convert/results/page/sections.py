"""The sections of report.html, from what was measured."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from spinn_convert.network.records import Network
from spinn_convert.results.answers import Answers, confused, worth_a_look
from spinn_convert.results.headline import costs, scored, title
from spinn_convert.results.layers import table
from spinn_convert.results.layers.evidence import Studied
from spinn_convert.results.layers.findings import findings, lost_at
from spinn_convert.results.layers.measure import Layer
from spinn_convert.results.layers.subject import Subject
from spinn_convert.results.layers.traces import traces
from spinn_convert.results.page import answers as figures_of_answers
from spinn_convert.results.page import figures, neurons
from spinn_convert.results.page.answers import MOST_CLASSES
from spinn_convert.results.page.page import Section, SingleImage, write


def write_page(
    path: Path,
    name: str,
    content: Mapping[str, Any],
    network: Network,
    studied: tuple[Studied, Subject] | str,
    answers: Answers | None = None,
    pictures: Sequence[Path] = (),
) -> None:
    """Write report.html.

    name: of the model. content: of report.json. studied: layers of some images, or why they are not
    known. answers: of a classifier, for all images. pictures: PNG files to show.
    """
    report = dict(content)
    sections = [
        _over_time(report, network),
        *_pictures(pictures),
        *_inside(studied),
        *(_answers(answers) if answers else ()),
        *_energy(report.get("energy", {})),
        *_board(report.get("board", {})),
        _settings(report),
    ]
    headline = [*scored(report), *costs(report)]
    write(path, name, title(report), headline, report.get("warnings", []), sections)


def _over_time(report: dict[str, Any], network: Network) -> Section:
    snn, released = report["snn"], network.readouts[0].release
    if "map_by_step" in snn:
        steps, curves = (
            snn["steps_sampled"],
            [
                ("mAP", np.array(snn["map_by_step"])),
                ("boxes like the ANN's", np.array(snn["agreement_by_step"])),
            ],
        )
        levels = [("ANN", report["ann"]["map"]), ("ReLU1", report["relu1"]["map"])]
    else:
        steps = list(range(1, report["steps"] + 1))
        curves = [
            ("SNN's accuracy", np.array(snn["accuracy_by_step"])),
            ("agreement with the ANN", np.array(snn["agreement_by_step"])),
        ]
        levels = [("ANN", report["ann"]["accuracy"]), ("ReLU1", report["relu1"]["accuracy"])]
    figure = figures.over_time(steps, curves, levels, released)
    return Section("time", "Over time", figures=[figure])


def _pictures(pictures: Sequence[Path]) -> Iterator[Section]:
    if pictures:
        yield Section("pictures", "Scenes", pictures=pictures)


def _inside(studied: tuple[Studied, Subject] | str) -> Iterator[Section]:
    """Yield what the layers do, or why that is not known."""
    if isinstance(studied, str):
        yield Section("layers", "Layer by layer", studied)
        return
    found, subject = studied
    yield _layers(found)
    yield _behind(found)
    yield _neurons(found, subject)
    yield _cost(found.evidence.layers)


def _layers(studied: Studied) -> Section:
    layers, found = studied.evidence.layers, findings(studied.evidence)
    images = len(studied.recording.synaptic_events)
    note = (
        f"On the first {images} images, by {studied.recording.backend}: rates of the SNN beside the"
        " activations of the ANN, with the error as a share of the activations (root mean squares)."
        " What clipping at one spike per step alone makes is in orange; the rest is the rounding to"
        " spikes, and the time that rates need to settle."
    )
    well = "" if found else "No layer stands out on these images."
    figure = figures.layer_errors(layers)
    return Section(
        "layers",
        "Layer by layer",
        note,
        [figure],
        head=table.HEADERS,
        rows=table.rows(layers),
        findings=found,
        well=well,
    )


def _behind(studied: Studied) -> Section:
    cuts = studied.evidence.cuts
    note = (
        "The SNN's rates up to a layer, the ANN behind it: how far the outputs are from the ANN's"
        f" own. Here {lost_at(cuts)}."
    )
    return Section("lost", "Where it is lost", note, [figures.errors_behind(cuts)])


def _neurons(studied: Studied, subject: Subject) -> Section:
    recording = studied.recording
    found = traces(subject.network, subject.values, recording)
    steps = recording.settings.steps
    figure = neurons.chosen_layer(studied.evidence.layers, found, steps)
    return Section("neurons", "Neurons of a layer", figures=[figure])


def _answers(answers: Answers) -> Iterator[Section]:
    some = worth_a_look(answers)
    note = (
        "Those on which they disagree after the last step come first, then those that took longest"
        " to agree. Solid: the SNN's output over time; dotted: the ANN's. Blue is the ANN's class."
    )
    images = [_single(answers, int(number)) for number in some]
    well = "" if images else "SNN and ANN give the same answer after every step."
    yield Section(
        "images", "Images that SNN and ANN see differently", note, images=images, well=well
    )
    if answers.classes <= MOST_CLASSES:
        shown = figures_of_answers.confusion(answers)
        yield Section("classes", "Classes taken for others", figures=shown)
        return
    rows = [(answers.name(a), answers.name(b), f"{n:,}") for a, b, n in confused(answers)]
    head = ("SNN's class", "ANN's class", "images")
    yield Section("classes", "Classes taken for others", head=head, rows=rows)


def _single(answers: Answers, number: int) -> SingleImage:
    (image,) = answers.images[number : number + 1]
    snn, ann = answers.by_step[number, -1], answers.known[number]
    label, snn, ann = (answers.name(int(n)) for n in (answers.labels[number], snn, ann))
    text = f"image {number}, label {label}: SNN {snn}, ANN {ann}"
    picture = figures_of_answers.thumbnail(image)
    return SingleImage(number, picture, text, figures_of_answers.over_time(answers, number))


def _cost(layers: Sequence[Layer]) -> Section:
    spikes, events = sum(x.spikes for x in layers), sum(x.events for x in layers)
    rows = [
        (
            layer.name,
            f"{layer.spikes:,.0f}",
            f"{layer.spikes / max(spikes, 1):.1%}",
            f"{layer.events:,.0f}",
            f"{layer.events / max(events, 1):.1%}",
        )
        for layer in layers
    ]
    note = (
        "Per image, in all steps; the numbers at the top leave out spikes that come too late for"
        " the output. A synaptic event is a spike delivered to one synapse."
    )
    head = ("layer", "spikes", "of all", "synaptic events", "of all")
    return Section("cost", "What each layer costs", note, head=head, rows=rows)


def _energy(content: Mapping[str, Any]) -> Iterator[Section]:
    """Yield what an image would cost a SpiNNaker 1 board, and where the numbers come from."""
    if not content:
        return
    joules, least = content["snn_joules_per_image"], content["snn_joules_per_image_at_best"]
    latency, soonest = content["snn_latency_ms"], content["snn_latency_ms_at_best"]
    note = (
        f"Estimated from published figures, not measured: {least:,.3g} to {joules:,.3g} J and"
        f" {soonest:,.0f} to {latency:,.0f} ms per image, by how much slower than real time a board"
        f" runs. The ANN does {content['ann_macs_per_image']:,} multiplications with weights;"
        " what these cost depends on its machine."
    )
    parts = ("idle", "neurons", "spikes", "events")
    rows = [(f"of which {part}", f"{content[f'snn_of_which_{part}']:.3g} J", "") for part in parts]
    for known in content["assumptions"]:
        value = f"{known['value']:g} {known['unit']}"
        rows.append((known["name"], value, known["source"]))
    head = ("", "per image, or assumed", "source")
    yield Section("energy", "Energy on a SpiNNaker 1 board", note, head=head, rows=rows)


def _board(details: Mapping[str, Any]) -> Iterator[Section]:
    """Yield what a board, or its arithmetic, says of itself."""
    rows = [(key, _text(value)) for key, value in details.items()]
    if rows:
        yield Section("board", "Board", head=("what", ""), rows=rows)


def _settings(report: dict[str, Any]) -> Section:
    rows = [("ONNX file", str(report["model"].get("path", ""))), ("backend", report["backend"])]
    rows += [(key, _text(value)) for key, value in report["settings"].items()]
    rows += [(f"time: {key}", f"{value:.1f} s") for key, value in report["timing"].items()]
    rows += [(f"version of {key}", str(value)) for key, value in report["versions"].items()]
    return Section("settings", "Settings, times and versions", head=("what", ""), rows=rows)


def _text(value: Any) -> str:
    """Return numbers in words; of a mapping by population, its largest value."""
    if isinstance(value, Mapping):
        if not value:
            return "none"
        name, most = max(value.items(), key=lambda item: item[1])
        return f"{most:.3%} at most, in {name}" if isinstance(most, float) else f"{most} in {name}"
    return f"{value:g}" if isinstance(value, float) else str(value)
