"""The scores of a run in words: what is printed, and what stands at the top of report.html."""

from __future__ import annotations

from typing import Any

from spinn_convert.results.report import shown_steps


def title(content: dict[str, Any]) -> str:
    """Return what was simulated: images, steps, backend."""
    return f"{content['images']} images, {_steps(content)}, on {content['backend']}"


def scored(content: dict[str, Any]) -> list[tuple[str, str]]:
    """Return the scores of report.json, each with its name."""
    return _detected(content) if "map" in content["ann"] else _classified(content)


def costs(content: dict[str, Any]) -> list[tuple[str, str]]:
    """Return the size of the network, and spikes and events per image, each with its name."""
    network = content["network"]
    return [
        ("neurons", f"{network['neurons']:,}"),
        ("synapses", f"{network['synapses']:,}"),
        ("spikes per image", f"{content['spikes_per_image']:,.0f}"),
        ("synaptic events per image", f"{content['synaptic_events_per_image']:,.0f}"),
    ]


def _steps(report: dict[str, Any]) -> str:
    if "stop" in report:
        return f"{report['stop']['steps']['mean']:.1f} steps on average"
    return f"{report['steps']} steps each"


def _classified(report: dict[str, Any]) -> list[tuple[str, str]]:
    """Return the scores of a classifier, each with its name."""
    snn, depth, steps = report["snn"], report["network"]["depth"], report["steps"]
    first, alike = snn["first_step_within_half_percent"], snn["steps_to_99_percent_agreement"]
    fixed = [
        ("steps to ANN - 0.5 %", shown_steps(first, depth, steps)),
        ("steps to 99 % agreement", shown_steps(alike, depth, steps)),
    ]
    return [
        ("ANN accuracy", f"{report['ann']['accuracy']:.2%}"),
        ("ReLU1 accuracy", f"{report['relu1']['accuracy']:.2%}"),
        ("SNN accuracy", f"{snn['accuracy']:.2%}"),
        ("SNN agrees with the ANN on", f"{snn['agreement']:.2%}"),
        *(_stopped(report["stop"]) if "stop" in report else fixed),
    ]


def _stopped(stop: dict[str, Any]) -> list[tuple[str, str]]:
    """Return how many steps images took until the network was sure, and what that saves."""
    steps, known = stop["steps"], stop["calibration"]
    fixed = known["fixed"]
    return [
        ("steps until sure, on average", f"{steps['mean']:.1f}"),
        ("  9 of 10 images, all", f"{steps['of_90_percent']:.0f}, {steps['most']}"),
        (f"on {known['images']:,} calibration images: agreement", f"{known['agreement']:.2%}"),
        ("  steps, events", f"{known['steps']:.1f}, {known['synaptic_events']:,.0f}"),
        (f"  all with {fixed['steps']} steps: agreement", f"{fixed['agreement']:.2%}"),
        ("  events", f"{fixed['synaptic_events']:,.0f}"),
    ]


def _detected(report: dict[str, Any]) -> list[tuple[str, str]]:
    """Return the scores of a detector, each with its name; mAP in hundredths, as COCO has it."""
    snn, depth, steps = report["snn"], report["network"]["depth"], report["steps"]
    rows = [
        (f"{name} mAP (at 0.5, at 0.75)", "{map:.2f} ({map50:.2f}, {map75:.2f})")
        for name in ("ANN", "ReLU1", "SNN")
    ]
    numbers = [
        {key: 100 * report[part][key] for key in ("map", "map50", "map75")}
        for part in ("ann", "relu1", "snn")
    ]
    found = [(label, shown.format(**values)) for (label, shown), values in zip(rows, numbers)]
    relu1, alike = report["relu1"]["agreement"], snn["agreement"]
    return [
        *found,
        ("boxes alike, ReLU1 and ANN", f"{relu1:.1%}"),
        ("boxes alike, SNN and ANN", f"{alike:.1%}"),
        ("steps to ANN's mAP - 1 %", shown_steps(snn["steps_within_1_percent"], depth, steps)),
        ("steps to ANN's mAP - 0.4 %", shown_steps(snn["steps_within_0.4_percent"], depth, steps)),
    ]
