"""The pages say what the code does: they build, lead somewhere, and are current."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest
from support.documents import BLOCK, PAGES, inline_code
from support.places import ROOT

import spinn_convert

MADE = ("examples/resnet18_cifar10.onnx",)
"""Files that a command of the page writes."""


def run(*words, **options):
    return subprocess.run(words, cwd=ROOT, capture_output=True, text=True, timeout=600, **options)


@pytest.mark.slow
def test_pages_are_current():
    pages = [str(path) for path in sorted((ROOT / "docs").glob("*.md"))]
    done = run(sys.executable, "-m", "cogapp", "--check", "--diff", "-I", "docs", *pages)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.slow
def test_pages_build_without_warnings(tmp_path):
    folders = ["-d", str(tmp_path / "trees"), "docs", str(tmp_path / "html")]
    done = run(sys.executable, "-m", "sphinx", "-W", "-q", "-b", "html", *folders)
    assert done.returncode == 0, done.stderr
    text = (tmp_path / "html" / "api.html").read_text()
    assert "Present images to a network on a simulator or a board" in text


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_links_lead_to_files(page):
    for target in re.findall(r"\]\(([^)#]+)", BLOCK.sub("", page.read_text())):
        assert target.startswith("https:") or (page.parent / target).exists(), target


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_files_in_the_text_exist(page):
    folders = "benchmarks|boards|docs|examples|spinn_convert|tests"
    for code in inline_code(page):
        for path in re.findall(rf"(?<![\w/.])(?:{folders})/[\w/]*(?:\.\w+)?", code):
            known = (ROOT / path).exists() or (ROOT / f"{path}.onnx").exists()
            assert known or path in MADE or "NAME" in path, path


def test_every_name_of_the_package_is_on_the_page_of_the_api():
    text = (ROOT / "docs" / "api.md").read_text()
    for name in spinn_convert.__all__:
        assert re.search(rf"(?:autofunction|autoclass|py:data):: {name}$", text, re.M), name


def test_architecture_names_every_module():
    text = (ROOT / "ARCHITECTURE.md").read_text()
    for path in (ROOT / "spinn_convert").rglob("*.py"):
        if not path.stem.startswith("__"):
            assert path.stem in text, path
