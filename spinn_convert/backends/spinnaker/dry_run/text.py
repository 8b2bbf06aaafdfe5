"""A mapping as text: a row per layer, the totals, and estimates of time and energy."""

from __future__ import annotations

from spinn_convert.backends.spinnaker.dry_run.costs import (
    RATE,
    TABLE_ENTRIES,
    DryRun,
    Layer,
    chosen_slowdown,
    energy,
    image_seconds,
    load_seconds,
    slowdown,
)
from spinn_convert.errors import printable
from spinn_convert.files.text import aligned, shortened, wrapped

NAME_WIDTH = 36
HEADERS = (
    "population",
    "neurons",
    "synapses",
    "cores",
    "chips",
    "boards",
    "SDRAM MB",
    "senders",
)
CONNECTORS = ("population", "built with", "cores", "SDRAM MB", "or with", "cores", "SDRAM MB")


def summary(dry: DryRun) -> str:
    """Return how much of a machine the network takes, in a few words."""
    boards = "1 board" if dry.boards == 1 else f"{dry.boards} boards"
    return f"{dry.cores:,} cores on {dry.chips:,} chips of {boards}"


def table(dry: DryRun, rate: float = RATE) -> str:
    """Return the mapping as text, in lines of at most 100 characters.

    rate: spikes per neuron and step for which times and energy are estimated.
    """
    parts = [
        aligned([HEADERS, *map(_cells, dry.layers)]),
        "senders: the most neurons whose spikes reach any one core of a population",
        *_connectors(dry),
        *map(wrapped, _sentences(dry, rate)),
    ]
    return "\n".join(parts)


def _name(layer: Layer) -> str:
    return shortened(printable(layer.name), NAME_WIDTH)


def _cells(layer: Layer) -> tuple[str, ...]:
    return (
        _name(layer),
        f"{layer.neurons:,}",
        f"{layer.synapses:,}",
        f"{len(layer.cores):,}",
        f"{len(layer.chips):,}",
        f"{layer.boards:,}",
        f"{layer.sdram / 1e6:.1f}",
        f"{layer.senders:,}",
    )


def _connectors(dry: DryRun) -> list[str]:
    """Return a table of the costs of lists and kernels by layer, and why some have no kernels.

    Nothing where the cell type has no kernels.
    """
    rows, reasons = [CONNECTORS], dict[str, list[str]]()
    for layer in dry.layers:
        if layer.ways is None:
            continue
        if layer.ways.kernels is None:
            reasons.setdefault(layer.ways.reason, []).append(_name(layer))
            continue
        both = [("lists", layer.ways.lists), ("kernels", layer.ways.kernels)]
        if layer.ways.chosen:
            both.reverse()
        costs = [(how, f"{c.cores:,}", f"{c.sdram / 1e6:.1f}") for how, c in both]
        rows.append((_name(layer), *costs[0], *costs[1]))
    found = [aligned(rows)] if len(rows) > 1 else []
    for reason, names in reasons.items():
        found.append(wrapped(f"no kernels for {', '.join(names)}: {reason}"))
    return found


def _sentences(dry: DryRun, rate: float) -> list[str]:
    """Return the totals, and the estimates of time and energy, as sentences."""
    best, worst = slowdown(dry, rate)
    joules = energy(dry, rate)
    source = "configuration file" if dry.time_scale_factor else "estimate at worst"
    if chosen_slowdown(dry, rate) < best:
        source += ", TOO SMALL: steps will overrun"
    return [
        f"{summary(dry)}; {sum(dry.sdram.values()) / 1e6:,.0f} MB of SDRAM,"
        f" {max(dry.sdram.values(), default=0) / 1e6:.1f} MB on the fullest chip",
        f"routing: {sum(dry.tables.values()):,} entries before compression,"
        f" {max(dry.tables.values(), default=0):,} on the fullest of routers, which hold"
        f" {TABLE_ENTRIES:,}",
        f"load: about {load_seconds(dry):.0f} s for {dry.loaded / 1e6:,.0f} MB, once",
        f"time_scale_factor: {best} at best, {worst} at worst keep up at {rate:g} spikes per neuron"
        f" and step; taken: {chosen_slowdown(dry, rate)} ({source})",
        f"an image: {dry.ticks} time steps, {image_seconds(dry, rate):.2f} s on the board,"
        f" {joules.total:.1f} J, of which {joules.idle:.1f} J idle",
    ]
