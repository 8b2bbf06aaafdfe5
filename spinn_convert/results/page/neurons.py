"""Figures of a layer that the reader chooses: rates, spikes and membrane potentials."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from bokeh.layouts import column, row
from bokeh.models import CDSView, ColumnDataSource, GroupFilter, HoverTool
from bokeh.models.widgets import Select
from bokeh.palettes import Category10_10

from spinn_convert.results.layers.measure import Layer
from spinn_convert.results.layers.traces import Trace
from spinn_convert.results.page.figures import BLUE, GREY, WIDTH, canvas

MOST_SHOWN = 40
"""Layers to choose from; of deeper networks every second or third."""
LARGEST = 1.5
"""Activation, in scales, up to which the axis goes."""


def chosen_layer(layers: Sequence[Layer], traces: Sequence[Trace], steps: int) -> Any:
    """Return the figures of one layer, below a list to choose it from."""
    every = -(-len(layers) // MOST_SHOWN)
    names = [layer.name for layer in layers][::-1][::every][::-1]
    choices: list[str | tuple[Any, str]] = [*names]
    select = Select(title="layer", value=names[0], options=choices, width=300)
    known = [trace for trace in traces if trace.name in names]
    figures = [
        _rates([layer for layer in layers if layer.name in names], _following(select)),
        _raster(known, _following(select), steps),
    ]
    below = []
    if any(len(trace.potentials) for trace in known):
        below = [_potentials(known, _following(select), steps)]
    return column(select, row(*figures), *below)


def _following(select: Select) -> CDSView:
    """Return a view of one source's rows whose column `layer` has what is selected."""
    shown = GroupFilter(column_name="layer", group=select.value)
    select.js_link("value", shown, "group")
    return CDSView(filter=shown)


def _rates(layers: Sequence[Layer], view: CDSView) -> Any:
    made = canvas(
        "rate and activation of some neurons and images",
        "activation of the ANN, in scales",
        "spikes per step",
        width=WIDTH // 2 - 60,
        height=400,
        x_range=(0, LARGEST),
        y_range=(0, 1.05),
    )
    pairs = np.concatenate([layer.pairs for layer in layers]).astype(np.float32)
    names = [layer.name for layer in layers for _ in layer.pairs]
    source = ColumnDataSource({"layer": names, "ann": pairs[:, 0], "snn": pairs[:, 1]})
    made.line([0, 1, LARGEST], [0, 1, 1], color=GREY, line_dash="dashed")
    points = made.scatter("ann", "snn", source=source, view=view, color=BLUE, alpha=0.5, size=5)
    tips = [("activation", "@ann{0.000}"), ("spikes per step", "@snn{0.000}")]
    made.add_tools(HoverTool(tooltips=tips, renderers=[points]))
    return made


def _raster(traces: Sequence[Trace], view: CDSView, steps: int) -> Any:
    most = max((len(trace.neurons) for trace in traces), default=1)
    made = canvas(
        "spikes of some neurons, first image",
        "time step",
        "neuron",
        width=WIDTH // 2 + 40,
        height=400,
        x_range=(-1, steps),
        y_range=(-1, max(most, 1)),
    )
    spikes = np.concatenate([trace.spikes for trace in traces])
    source = ColumnDataSource(
        {
            "layer": [trace.name for trace in traces for _ in trace.spikes],
            "step": spikes[:, 0].astype(np.int32),
            "place": spikes[:, 1].astype(np.int32),
        }
    )
    made.scatter(
        "step", "place", source=source, view=view, color="black", marker="dash", angle=1.57
    )
    made.yaxis.ticker = []
    return made


def _potentials(traces: Sequence[Trace], view: CDSView, steps: int) -> Any:
    made = canvas(
        "membrane potential of the first of these neurons after each step; they fire at 1",
        "time step",
        "thresholds",
        width=WIDTH,
        x_range=(-1, steps),
    )
    rows = [(t, number) for t in traces for number in range(len(t.potentials))]
    source = ColumnDataSource(
        {
            "layer": [trace.name for trace, _ in rows],
            "neuron": [int(trace.neurons[number]) for trace, number in rows],
            "color": [Category10_10[number] for _, number in rows],
            "xs": [list(range(steps)) for _ in rows],
            "ys": [trace.potentials[number].round(3).tolist() for trace, number in rows],
        }
    )
    lines = made.multi_line("xs", "ys", source=source, view=view, color="color", line_width=1.5)
    made.add_tools(HoverTool(tooltips=[("neuron", "@neuron")], renderers=[lines]))
    return made
