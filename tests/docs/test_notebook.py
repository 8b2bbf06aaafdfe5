"""The notebook runs in Jupyter as it stands, with a small network in place of the example."""

from __future__ import annotations

import re
from importlib.util import find_spec

import pytest
from support.places import ROOT
from support.stand_in import furnish, in_folder

NOTEBOOK = ROOT / "docs" / "notebook.ipynb"
NEEDED = ("nest", "pyNN", "nbclient", "ipykernel")


@pytest.mark.slow
@pytest.mark.nest
@pytest.mark.skipif(not all(map(find_spec, NEEDED)), reason=f"needs {', '.join(NEEDED)}")
def test_the_notebook_runs_and_prints_what_it_shows(tmp_path):
    import nbformat
    from nbclient import NotebookClient

    furnish(tmp_path)
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    (command,) = (
        line
        for cell in notebook.cells
        for line in cell.source.splitlines()
        if line.startswith("spinn-convert ")
    )
    told = in_folder(tmp_path, command.split())
    assert told.returncode == 0, told.stderr
    shown = [text_of(cell) for cell in notebook.cells]
    resources = {"metadata": {"path": str(tmp_path)}}
    NotebookClient(notebook, timeout=600, resources=resources).execute()
    ran = [text_of(cell) for cell in notebook.cells]
    assert [bool(text) for text in ran] == [bool(text) for text in shown]
    lines = [line for text in ran for line in text.splitlines() if line.startswith("image ")]
    assert len(lines) == 4
    for line in lines:
        snn, ann = re.search(r"SNN (\d+), ANN (\d+)", line).groups()
        assert snn == ann
    pictures = [
        output for cell in notebook.cells for output in cell.get("outputs", ()) if "data" in output
    ]
    assert "image/png" in pictures[-1]["data"]


def text_of(cell):
    """Return what a cell prints."""
    return "".join(
        output.text
        for output in cell.get("outputs", ())
        if output.output_type == "stream" and output.name == "stdout"
    )
