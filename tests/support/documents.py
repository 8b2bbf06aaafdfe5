"""README.md and the pages of docs/ as tests see them: code blocks, commands, links."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from pathlib import Path

import yaml

from support.places import ROOT

README = ROOT / "README.md"
PAGES = (
    README,
    ROOT / "CONTRIBUTING.md",
    ROOT / "boards" / "README.md",
    *sorted((ROOT / "docs").glob("*.md")),
    ROOT / "docs" / "results" / "README.md",
)
BLOCK = re.compile(
    r"(?:<!-- not run: (?P<reason>.+?) -->\n)?^```(?P<language>\w+)\n(?P<text>.*?)^```$",
    re.M | re.S,
)


@dataclass(frozen=True)
class Block:
    """A code block of a page; reason: why it is not run, "" if it is."""

    language: str
    text: str
    reason: str

    @property
    def lines(self) -> tuple[str, ...]:
        """The commands of a shell block, or of the steps of a CI file."""
        if self.language == "yaml":
            return tuple(_steps(yaml.safe_load(self.text)))
        return tuple(line for line in self.text.splitlines() if line.strip())


def blocks(page: Path, *languages: str) -> list[Block]:
    """Return the code blocks of a page in these languages."""
    found = [
        Block(m["language"], m["text"], m["reason"] or "") for m in BLOCK.finditer(page.read_text())
    ]
    return [block for block in found if block.language in languages]


def simple_commands(line: str) -> list[list[str]]:
    """Return the words of each command of a line, without variables and the folder of a venv."""
    found: list[list[str]] = [[]]
    for word in shlex.split(line, comments=True):
        if word == "&&":
            found.append([])
        elif found[-1] or not re.fullmatch(r"[A-Z_]+=.*", word):
            found[-1].append(word.removeprefix(".venv/bin/"))
    return [_without_launcher(words) for words in found]


def _without_launcher(words: list[str]) -> list[str]:
    """Return the command that mpirun starts."""
    while words[0] in ("mpirun", "-n", "--hostfile"):
        words = words[1 if words[0] == "mpirun" else 2 :]
    return words


def inline_code(page: Path) -> list[str]:
    """Return what stands between single backticks, outside of code blocks."""
    text = BLOCK.sub("", page.read_text())
    return re.findall(r"`([^`\n]+)`", text)


def _steps(content: dict) -> list[str]:
    """Return the commands of a GitHub workflow, or of a GitLab pipeline."""
    jobs = content.get("jobs", content)
    found = []
    for job in jobs.values():
        found += [step["run"] for step in job.get("steps", ()) if "run" in step]
        found += job.get("script", ())
    return found
