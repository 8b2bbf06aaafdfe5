"""Where SNN and ANN answer differently: confusion of classes, and single images over time."""

from __future__ import annotations

import base64
import io
from typing import Any

import numpy as np
from bokeh.models import CDSView, ColumnDataSource, GroupFilter, HoverTool
from bokeh.models.widgets import Select
from bokeh.transform import linear_cmap
from PIL import Image

from spinn_convert.linear.ops import Floats
from spinn_convert.results.answers import PAIRS, Answers
from spinn_convert.results.page.figures import BLUE, GREY, ORANGE, canvas

MOST_CLASSES = 40
"""Up to which the confusion of classes is drawn; of more, the most frequent pairs are listed."""
THUMBNAIL = 120
"""Pixels."""


def confusion(answers: Answers) -> tuple[Any, ...]:
    """Return how often each class is taken for which other, and what chooses the pair compared."""
    names = [answers.name(label) for label in range(answers.classes)]
    columns: dict[str, list[Any]] = {"pair": [], "first": [], "second": [], "images": []}
    for pair in PAIRS:
        counts = np.zeros((answers.classes,) * 2, int)
        np.add.at(counts, answers.pair(pair), 1)
        for first, second in zip(*np.nonzero(counts)):
            columns["pair"].append(pair)
            columns["first"].append(names[first])
            columns["second"].append(names[second])
            columns["images"].append(int(counts[first, second]))
    shown = GroupFilter(column_name="pair", group=PAIRS[0])
    choices: list[str | tuple[Any, str]] = [*PAIRS]
    select = Select(title="compare", value=PAIRS[0], options=choices, width=300)
    select.js_link("value", shown, "group")
    made = canvas(
        "",
        "class of the second",
        "class of the first",
        width=620,
        height=560,
        x_range=names,
        y_range=names[::-1],
    )
    source, view = ColumnDataSource(columns), CDSView(filter=shown)
    color = linear_cmap("images", "Viridis256", 0, max(columns["images"]))
    cells = made.rect("second", "first", 1, 1, source=source, view=view, fill_color=color)
    made.xaxis.major_label_orientation = 0.9
    tips = [("first", "@first"), ("second", "@second"), ("images", "@images")]
    made.add_tools(HoverTool(tooltips=tips, renderers=[cells]))
    return select, made


def over_time(answers: Answers, image: int) -> Any:
    """Return the outputs of two classes over time: the ANN's answer, and the SNN's or the next."""
    ann, steps = int(answers.known[image]), answers.snn.shape[1]
    outputs, right = answers.snn[image], answers.ann[image]
    made = canvas("", "time step", "output", width=420, height=200, toolbar_location=None)
    if outputs.shape[1] == 1:
        shown = [(0, "output")]
    else:
        other = int(answers.by_step[image, -1])
        if other == ann:
            ranked = np.argsort(-outputs[-1])
            other = int(ranked[ranked != ann][0])
        shown = [(n, f"class {answers.name(n)}") for n in (ann, other)]
    x = np.arange(1, steps + 1)
    for (which, name), color in zip(shown, (BLUE, ORANGE)):
        source = ColumnDataSource({"x": x, "y": outputs[:, which]})
        line = made.line("x", "y", source=source, color=color, legend_label=name, line_width=1.5)
        level = float(right[which])
        made.line([1, steps], [level, level], color=color, line_dash="dotted")
        tips = [("step", "@x"), (name, "@y{0.00}")]
        made.add_tools(HoverTool(tooltips=tips, renderers=[line]))
    made.legend.label_text_font_size = "11px"
    made.add_layout(made.legend[0], "right")
    made.outline_line_color = GREY
    return made


def thumbnail(image: Floats) -> str | None:
    """Return an image (C, H, W) or (H, W) as the address of a PNG; None for other shapes."""
    if image.ndim not in (2, 3):
        return None
    pixels = image[None] if image.ndim == 2 else image
    pixels = pixels if len(pixels) in (1, 3) else pixels.mean(0, keepdims=True)
    low, high = float(pixels.min()), float(pixels.max())
    scaled = (255 * (pixels - low) / max(high - low, 1e-12)).astype(np.uint8)
    picture = Image.fromarray(scaled[0] if len(scaled) == 1 else scaled.transpose(1, 2, 0))
    picture = picture.resize((THUMBNAIL, THUMBNAIL * image.shape[-2] // image.shape[-1]))
    file = io.BytesIO()
    picture.save(file, "PNG")
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()
