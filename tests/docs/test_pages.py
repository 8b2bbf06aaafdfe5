"""Code blocks of the pages run as printed, with small networks in place of the examples."""

from __future__ import annotations

from importlib.util import find_spec

import pytest
from support import mpi
from support.documents import PAGES, README, blocks, simple_commands
from support.places import BOARDS, ROOT
from support.stand_in import furnish, in_folder

SET_UP = ("pip", "python3", "ruff", "mypy", "lint-imports", "cog", "sphinx-build", ".")
"""Programs that are not run here: they set up a machine, or other tests run them."""


def lines(page):
    """Return the shell lines of a page to run, each once, in order."""
    shown = [block for block in blocks(page, "sh", "yaml") if not block.reason]
    found = dict.fromkeys(line for block in shown for line in block.lines)
    return [line for line in found if not any(map(sets_up, simple_commands(line)))]


def sets_up(words):
    return words[0] in SET_UP or "pytest" in words


def script(page):
    """Return the Python blocks of a page to run, as one script."""
    return "\n".join(block.text for block in blocks(page, "python") if not block.reason)


def pages():
    """Yield the pages with something to run, and what they need."""
    for page in PAGES:
        text = "\n".join([*lines(page), script(page)])
        marks = [pytest.mark.slow]
        for marker, words, modules in (
            ("nest", ("backend nest", '"nest"', "pyNN.nest", ".script/run.py"), ("nest", "pyNN")),
            ("spinnaker", ("spinn-convert map",), ("spynnaker",)),
        ):
            if any(word in text for word in words):
                missing = not all(map(find_spec, modules))
                skip = pytest.mark.skipif(missing, reason=f"needs {' and '.join(modules)}")
                marks += [getattr(pytest.mark, marker), skip]
        if "mpirun" in text:
            marks.append(pytest.mark.skipif(bool(mpi.missing()), reason=mpi.missing() or "there"))
        if text.strip():
            yield pytest.param(page, id=page.stem, marks=marks)


@pytest.mark.parametrize("page", [*pages()])
def test_page_runs(page, tmp_path):
    furnish(tmp_path)
    for line in lines(page):
        done = in_folder(tmp_path, ["bash", "-c", line])
        assert done.returncode == 0, f"{line}\n{done.stdout}\n{done.stderr}"
    if page != README:  # whose example test_readme.py runs with the example itself
        (tmp_path / "page.py").write_text(script(page))
        done = in_folder(tmp_path, ["python", "page.py"])
        assert done.returncode == 0, done.stderr
    if page.stem == "ci":
        assert (tmp_path / "model.spinn" / "report.json").is_file()


@pytest.mark.slow
@pytest.mark.spinnaker
@pytest.mark.skipif(not find_spec("spynnaker"), reason="needs sPyNNaker")
def test_simulation_on_spinnaker_is_mapped(tmp_path):
    """The block that needs a board runs on a virtual one, whose recordings are empty."""
    furnish(tmp_path)
    (block,) = (b for b in blocks(ROOT / "docs" / "quickstart.md", "python") if b.reason)
    (tmp_path / ".spynnaker.cfg").write_text((BOARDS / "virtual.cfg").read_text())
    text = block.text + "\nprint(window, potentials.shape)\n"
    done = in_folder(tmp_path, ["python", "-c", text], home=tmp_path)
    assert "Window(start=0.0, steps=96, first=0) (0, 10)" in done.stdout, done.stderr


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_python_blocks_are_python(page):
    for block in blocks(page, "python"):
        compile(block.text, page.name, "exec")
