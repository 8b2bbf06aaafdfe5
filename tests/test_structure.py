"""The house: few modules at the root, small folders, files that are read in one sitting."""

from __future__ import annotations

import pytest
from support.places import ROOT

PACKAGE = ROOT / "spinn_convert"
FOLDERS = sorted({path.parent for path in PACKAGE.rglob("*.py")})
MODULES = sorted((*PACKAGE.rglob("*.py"), *(ROOT / "tests").rglob("*.py")))


def test_few_modules_lie_at_the_root():
    assert len(list(PACKAGE.glob("*.py"))) <= 5


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda path: path.name)
def test_no_folder_is_crowded(folder):
    assert len(list(folder.glob("*.py"))) <= 14


def test_no_module_is_longer_than_300_lines():
    lengths = {path: len(path.read_text().splitlines()) for path in MODULES}
    assert {path: lines for path, lines in lengths.items() if lines > 300} == {}
