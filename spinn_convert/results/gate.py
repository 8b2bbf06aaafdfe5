"""Compare scores with the user's limits, for continuous integration (--fail-under-...)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

NAMES = {"agreement": "agrees with the ANN on", "accuracy": "is right on"}
OF_DETECTORS = {"agreement": "has of the ANN's boxes", "accuracy": "has a mAP of"}
"""What is compared for detectors."""


def shortfalls(report: Mapping[str, Any], wanted: Mapping[str, float | None]) -> list[str]:
    """Return a line for each of the SNN's scores below what is wanted, in per cent.

    report: content of report.json. wanted: by "agreement" and "accuracy", which is the mAP of a
    detector; None for no limit.
    """
    detector = "map" in report["ann"]
    names, accuracy = (OF_DETECTORS, "map") if detector else (NAMES, "accuracy")
    of = "on" if detector else "of"
    lines = []
    for score, limit in wanted.items():
        found = 100 * report["snn"][accuracy if score == "accuracy" else score]
        if limit is not None and found < limit:
            ann = f"the ANN {names['accuracy']} {report['ann'][accuracy]:.2%}"
            reached = f"the SNN {names[score]} {found:.2f} % {of} {report['images']} images"
            lines.append(f"fell short: {reached}, not {limit:g} %; {ann}")
    return lines
