"""Figures over time steps, and over layers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from bokeh.models import ColumnDataSource, HoverTool
from bokeh.models.annotations import Legend
from bokeh.palettes import Category10_10
from bokeh.plotting import figure

from spinn_convert.linear.ops import Floats
from spinn_convert.results.layers.findings import Cut
from spinn_convert.results.layers.measure import Layer

WIDTH, HEIGHT = 1120, 320
"""Pixels of a figure: it fits into a window of 1280."""
BLUE, ORANGE, GREEN, RED = Category10_10[:4]
GREY = "#888888"


def canvas(title: str, x: str, y: str, **kwargs: Any) -> Any:
    """Return an empty figure with named axes."""
    made = figure(
        **{"width": WIDTH, "height": HEIGHT, "toolbar_location": "right", **kwargs},
        title=title,
        x_axis_label=x,
        y_axis_label=y,
        tools="pan,box_zoom,reset,save",
    )
    made.toolbar.logo, made.toolbar.autohide = None, True
    return made


def over_time(
    steps: Sequence[int],
    curves: Sequence[tuple[str, Floats]],
    levels: Sequence[tuple[str, float]],
    released: int,
) -> Any:
    """Return scores in per cent over steps; hovering shows the step and its scores.

    curves: name and values (S,) after each of the steps. levels: name and value of horizontal
    lines. released: step at which the output begins to integrate.
    """
    made = canvas("", "time step", "per cent", y_range=(0, 102))
    columns = {"step": np.array(steps)}
    columns |= {f"y{number}": 100 * values for number, (_, values) in enumerate(curves)}
    source, items = ColumnDataSource(columns), []
    for number, (name, _) in enumerate(curves):
        color = (BLUE, ORANGE, GREEN)[number]
        line = made.line("step", f"y{number}", source=source, color=color, line_width=2)
        items.append((name, [line]))
        if not number:
            first = line
    ends = [steps[0], steps[-1]]
    for (name, level), color in zip(levels, ("black", GREY)):
        line = made.line(ends, [100 * level] * 2, color=color, line_dash="dotted")
        items.append((f"{name} {level:.2%}", [line]))
    if 0 < released < steps[-1]:
        made.vspan(x=[released], line_color="#cccccc")
    tips = [("step", "@step")]
    tips += [(name, f"@y{number}{{0.00}} %") for number, (name, _) in enumerate(curves)]
    made.add_tools(HoverTool(tooltips=tips, renderers=[first], mode="vline"))
    made.add_layout(Legend(items=items, label_text_font_size="12px"), "right")
    return made


def layer_errors(layers: Sequence[Layer]) -> Any:
    """Return the errors of the rates of all layers, and what clipping alone makes of them."""
    names = [layer.name for layer in layers]
    made = canvas("", "layer", "% of the activations", x_range=names)
    made.y_range.start = 0
    source = ColumnDataSource(
        {
            "name": names,
            "error": [100 * layer.error for layer in layers],
            "clipping": [100 * layer.clipping for layer in layers],
            "clipped": [100 * layer.clipped for layer in layers],
        }
    )
    bars = made.vbar("name", 0.8, "error", source=source, color=BLUE, alpha=0.5)
    clipping = made.vbar("name", 0.4, "clipping", source=source, color=ORANGE)
    tips = [
        ("layer", "@name"),
        ("error of the rates", "@error{0.0} %"),
        ("by clipping alone", "@clipping{0.0} %"),
        ("clipped activations", "@clipped{0.000} %"),
    ]
    made.add_tools(HoverTool(tooltips=tips, renderers=[bars]))
    _slanted(made)
    items = [("error of the rates", [bars]), ("by clipping alone", [clipping])]
    made.add_layout(Legend(items=items, label_text_font_size="12px"), "right")
    return made


def errors_behind(cuts: Sequence[Cut]) -> Any:
    """Return the error of the outputs where the ANN goes on from each layer's rates."""
    names = [cut.layer or "image" for cut in cuts]
    made = canvas("", "the SNN's rates up to", "error of the outputs, %", x_range=names)
    made.y_range.start = 0
    source = ColumnDataSource(
        {
            "name": names,
            "error": [100 * cut.error for cut in cuts],
            "agreement": [100 * cut.agreement for cut in cuts],
        }
    )
    made.line("name", "error", source=source, color=BLUE, line_width=2)
    points = made.scatter("name", "error", source=source, color=BLUE, size=8)
    tips = [
        ("rates up to", "@name"),
        ("error of the outputs", "@error{0.0} %"),
        ("same answer as the ANN", "@agreement{0.0} %"),
    ]
    made.add_tools(HoverTool(tooltips=tips, renderers=[points]))
    _slanted(made)
    return made


def _slanted(made: Any) -> None:
    """Turn the names of layers, so that many of them fit."""
    made.xaxis.major_label_orientation = 0.9
    made.xgrid.grid_line_color = None
