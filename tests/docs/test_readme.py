"""The README fits on a page, and prints what the program prints."""

from __future__ import annotations

from importlib.util import find_spec

import pytest
from support.documents import README, blocks
from support.places import EXAMPLES
from support.stand_in import in_folder

NEST = pytest.mark.skipif(
    not (find_spec("nest") and find_spec("pyNN")), reason="needs NEST and PyNN"
)
SECONDS = 1800


@pytest.fixture
def checkout(tmp_path):
    """A folder with the examples, as the root of a checkout has them."""
    (tmp_path / "examples").symlink_to(EXAMPLES)
    return tmp_path


def rows(text):
    """Return the cells of a printed table."""
    lines = [line for line in text.splitlines() if line.startswith("│")]
    return [[cell.strip() for cell in line.strip("│").split("│")] for line in lines]


def test_readme_fits_on_a_page():
    assert len(README.read_text().split()) <= 900
    for block in blocks(README, "sh"):
        assert all(len(line) <= 100 for line in block.lines)


@pytest.mark.slow
@pytest.mark.nest
@NEST
def test_python_example_runs(checkout):
    (block,) = blocks(README, "python")
    done = in_folder(checkout, ["python", "-c", block.text], SECONDS)
    assert done.returncode == 0, done.stderr
    assert "ANN 100%, SNN 100% after 66 steps" in done.stdout
    assert (checkout / "agreement.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.slow
@pytest.mark.nest
@NEST
def test_printed_table_is_what_the_command_prints(checkout):
    (block,) = blocks(README, "text")
    command = ["spinn-convert", "examples/resnet18.onnx", "--backend", "nest"]
    assert " ".join(command) in README.read_text()
    done = in_folder(checkout, [*command, "--images", "1"], SECONDS)
    assert done.returncode == 0, done.stderr
    printed, found = (rows(text) for text in (block.text, done.stdout))
    assert [label for label, _ in printed] == [label for label, _ in found]
    of_the_network = ("neurons", "synapses")
    assert [r for r in printed if r[0] in of_the_network] == [
        r for r in found if r[0] in of_the_network
    ]
    assert done.stdout.splitlines()[-1] == block.text.splitlines()[-1]
