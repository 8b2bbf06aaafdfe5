"""report.html in a real browser: it renders, every figure has content, the console has no error."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from dataclasses import replace

import numpy as np
import pytest
from support.detectors import anchors_file, heads_file, scenes_npz
from support.networks import classifier, with_images

from spinn_convert.conversion.method import PAPER
from spinn_convert.jobs import run
from spinn_convert.jobs.prepare import Source
from spinn_convert.jobs.recipe import Recipe
from spinn_convert.jobs.simulation import RunOptions
from spinn_convert.results import answers

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
LOGGED = r'CONSOLE:\d+\] "(.*)", source'
EXPECTED = ("setting log level", "document idle")
"""What Bokeh itself writes to the console."""
LOOKED_AT = """
<pre id="found"></pre>
<script>
function canvases(root) {
  let found = [...root.querySelectorAll("canvas")];
  for (const element of root.querySelectorAll("*"))
    if (element.shadowRoot) found = found.concat(canvases(element.shadowRoot));
  return found;
}
function colours(canvas) {
  const {width, height} = canvas;
  const pixels = new Uint32Array(
    canvas.getContext("2d").getImageData(0, 0, width, height).data.buffer);
  return new Set(pixels).size;
}
setTimeout(() => {
  const most = new Map();  // a figure has several layers of pixels in one element
  for (const canvas of canvases(document))
    if (canvas.width > 100)
      most.set(canvas.parentNode, Math.max(colours(canvas), most.get(canvas.parentNode) || 0));
  const found = {colours: [...most.values()], width: document.documentElement.scrollWidth};
  document.getElementById("found").textContent = JSON.stringify(found);
}, 8000);
</script>
"""
"""Appended to a copy of the page: counts the colours of every figure, and the page's width."""


@pytest.fixture
def options(write_model, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    source = Source(with_images(classifier(write_model)), recipe=Recipe(PAPER))
    return RunOptions(source, steps=30, out=tmp_path / "result")


def in_browser(page, size=(1280, 4000)):
    """Return how many colours each figure has, the page's width, and the lines of the console."""
    copy = page.with_name("looked_at.html")
    copy.write_text(page.read_text() + LOOKED_AT)
    told = subprocess.run(
        [
            CHROMIUM,
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--host-resolver-rules=MAP * ~NOTFOUND",
            "--enable-logging=stderr",
            f"--window-size={size[0]},{size[1]}",
            "--virtual-time-budget=20000",
            "--dump-dom",
            copy.as_uri(),
        ],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    found = json.loads(re.search(r'<pre id="found">(.*?)</pre>', told.stdout)[1])
    return found["colours"], found["width"], re.findall(LOGGED, told.stderr)


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")
def test_a_browser_shows_every_figure(options):
    page = run.execute(options).folder / "report.html"
    colours, width, logged = in_browser(page)
    assert len(colours) >= 8
    assert min(colours) > 5
    assert width <= 1280
    assert [line for line in logged if not any(known in line for known in EXPECTED)] == []
    assert page.stat().st_size < 3e6


def test_the_page_says_what_the_report_says(options):
    outcome = run.execute(replace(options, images=12))
    text = (outcome.folder / "report.html").read_text()
    assert f"{outcome.report['snn']['accuracy']:.2%}" in text
    for name in outcome.report["network"]["populations"][:-1]:
        assert f"<td>{name}</td>" in text


def test_names_are_not_taken_for_html(write_model, tmp_path, monkeypatch):
    """A layer may have any name."""
    monkeypatch.chdir(tmp_path)
    path = with_images(classifier(lambda nodes, weights: write_model(renamed(nodes), weights)))
    outcome = run.execute(RunOptions(Source(path), images=3, steps=9, out=tmp_path / "odd"))
    text = (outcome.folder / "report.html").read_text()
    assert "<td>&lt;b&gt;first&lt;/b&gt;</td>" in text
    assert "<b>first</b>" not in text.partition("</style>")[2].partition("<script")[0]


def renamed(nodes):
    for node in nodes:
        for names in (node.input, node.output):
            for number, name in enumerate(names):
                names[number] = "<b>first</b>" if name == "first" else name
    return nodes


def test_images_that_disagree_come_first():
    snn = np.zeros((4, 5, 3))
    snn[..., 0] = 1
    snn[1, :3, 1] = 2  # late, but right in the end
    snn[2, :, 1] = 2  # wrong to the end
    known = np.eye(3)[[0, 0, 0, 0]]
    found = answers.Answers(snn, known, np.zeros(4, int), 0.0, np.zeros((4, 1, 2, 2)))
    assert answers.worth_a_look(found).tolist() == [2, 1]
    assert answers.confused(found) == [(1, 0, 1)]


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")
def test_a_detector_has_its_scenes_on_the_page(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = heads_file(tmp_path / "heads.onnx")
    anchors_file(path)
    scenes_npz(path.with_suffix(".npz"))
    page = run.execute(RunOptions(Source(path), steps=40, out=tmp_path / "out")).folder
    colours, width, logged = in_browser(page / "report.html")
    assert len(colours) >= 6
    assert min(colours) > 5
    assert width <= 1280
    assert [line for line in logged if not any(known in line for known in EXPECTED)] == []
    assert 'alt="scenes.png"' in (page / "report.html").read_text()
