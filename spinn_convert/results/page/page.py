"""Put the parts of report.html together."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any

from bokeh.embed import components
from bokeh.resources import Resources
from jinja2 import Environment

from spinn_convert.results.layers.findings import Finding


@dataclass(frozen=True)
class Section:
    """A part of the page, empty fields left out. name: its anchor.

    figures: Bokeh's, one below the other. images: pictures of single images with a figure each.
    rows: of a table, below `head`. pictures: PNG files. findings: what costs agreement.
    """

    name: str
    title: str
    note: str = ""
    figures: Sequence[Any] = ()
    images: Sequence[SingleImage] = ()
    head: Sequence[str] = ()
    rows: Sequence[Sequence[str]] = ()
    pictures: Sequence[Path] = ()
    findings: Sequence[Finding] = ()
    well: str = ""


@dataclass(frozen=True)
class SingleImage:
    """One image: its number, its picture as an address, a line of text, and a figure."""

    number: int
    picture: str | None
    text: str
    figure: Any = field(repr=False)


def write(
    path: Path,
    title: str,
    subtitle: str,
    headline: Sequence[tuple[str, str]],
    warnings: Sequence[str],
    sections: Sequence[Section],
) -> None:
    """Write the page, with all that it needs in it.

    headline: names and values of a table at the top. warnings: sentences below it.
    """
    models: dict[str, Any] = {}
    shown = [_shown(section, models) for section in sections]
    script, divs = components(models) if models else ("", {})
    environment = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    template = environment.from_string(files(__package__).joinpath("page.html").read_text())
    path.write_text(
        template.render(
            title=title,
            subtitle=subtitle,
            headline=headline,
            warnings=warnings,
            sections=shown,
            divs={key: _safe(div) for key, div in divs.items()},
            script=_safe(script),
            resources=_safe(_resources()),
        ),
        encoding="utf-8",
    )


def _shown(section: Section, models: dict[str, Any]) -> Mapping[str, Any]:
    """Return what the template takes; figures go to `models`, under the names that it looks up."""

    def add(figure: Any) -> str:
        models[f"figure{len(models)}"] = figure
        return f"figure{len(models) - 1}"

    return {
        **vars(section),
        "figures": [add(figure) for figure in section.figures],
        "images": [{**vars(image), "figure": add(image.figure)} for image in section.images],
        "pictures": [{"name": p.name, "address": _address(p)} for p in section.pictures],
    }


def _resources() -> str:
    """Return Bokeh's JavaScript: the parts that are used, 1.6 MB."""
    return str(Resources(mode="inline", components=["bokeh", "bokeh-widgets"]).render())


def _address(path: Path) -> str:
    return "data:image/png;base64," + base64.b64encode(path.read_bytes()).decode()


def _safe(html: str) -> Any:
    from markupsafe import Markup

    return Markup(html)
