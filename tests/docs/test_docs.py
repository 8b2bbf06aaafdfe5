"""The README says what the code does."""

import subprocess
import sys

from support.places import ROOT

from spinn_convert.cli.main import commands
from spinn_convert.model.operators import READERS


def test_readme_names_every_option_and_operator():
    text = (ROOT / "README.md").read_text()
    for command in commands.commands.values():
        for parameter in command.params:
            for name in parameter.opts:
                assert not name.startswith("--") or name in text, name
    for operator in READERS:
        assert operator in text, operator


def test_readme_test_command_is_what_ci_runs():
    test = "python -m pytest"
    assert test in (ROOT / "README.md").read_text()
    assert test in (ROOT / ".ci" / "run").read_text()


def test_architecture_names_every_module():
    text = (ROOT / "ARCHITECTURE.md").read_text()
    for path in (ROOT / "spinn_convert").rglob("*.py"):
        if not path.stem.startswith("__"):
            assert path.stem in text, path


def test_files_stay_small():
    for path in (ROOT / "spinn_convert").rglob("*.py"):
        assert len(path.read_text().splitlines()) <= 300, path


def test_help_is_printed():
    command = [sys.executable, "-m", "spinn_convert", "--help"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "inspect" in done.stdout
