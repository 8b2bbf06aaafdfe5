"""Layers as a table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from spinn_convert.results.layers.findings import Evidence, Finding
from spinn_convert.results.layers.measure import Layer

HEADERS = (
    "layer",
    "neurons",
    "error",
    "by clipping",
    "clipped activations",
    "mean rate",
    "silent neurons",
    "saturated rates",
)


def rows(layers: Sequence[Layer]) -> list[tuple[str, ...]]:
    """Return a row per layer, one cell per header."""
    return [
        (
            layer.name,
            f"{layer.neurons:,}",
            f"{layer.error:.1%}",
            f"{layer.clipping:.1%}",
            f"{layer.clipped:.3%}",
            f"{layer.rate:.3f}",
            f"{layer.silent:.1%}",
            f"{layer.saturated:.2%}",
        )
        for layer in layers
    ]


def as_json(seen: Evidence, found: Sequence[Finding], images: int, backend: str) -> dict[str, Any]:
    """Return the findings and what they come from; shares are fractions of 1."""
    return {
        "images": images,
        "steps": seen.steps,
        "backend": backend,
        "agreement": seen.now.agreement,
        "output_error": seen.now.error,
        "relu1": {"agreement": seen.relu1, "output_error": seen.relu1_error},
        "findings": [vars(finding) for finding in found],
        "layers": [
            {name: value for name, value in vars(layer).items() if name != "pairs"}
            for layer in seen.layers
        ],
        "outputs_behind": [vars(cut) for cut in seen.cuts],
    }
