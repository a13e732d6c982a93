"""Tests of the report's page in Chromium, if Chromium is installed (Debian's package chromium).

If `$AXE` is the path of axe-core's axe.min.js (npm install axe-core), the tests also check
accessibility.
"""

import base64
import dataclasses
import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from components.report.comparison import ComparedRun, compare_runs
from components.report.comparison_page import make_comparison_page
from components.report.page import make_page
from components.report.run_record import make_record
from tests.components.report.samples import SCRIPT, make_contents

# Chromium prints the HTML of the page after the page's scripts have run. `onerror` in HARNESS
# collects the errors of the page's own script. Another script in HARNESS writes these errors and
# its own findings into the page.
HARNESS = """
<script>window.problems = []; onerror = message => { problems.push(String(message)); };</script>
%s
<pre id="findings"></pre>
<script>
addEventListener("load", async () => {
  const select = document.getElementById("of-class");
  const used = {};
  if (select) {
    select.value = select.options[1].value;
    select.dispatchEvent(new Event("change"));
    used.shown = [...document.querySelectorAll(".gallery li")].filter(item => !item.hidden).length;
    used.ofClass = document.querySelectorAll(`.gallery li[data-class="${select.value}"]`).length;
    const svg = document.querySelector("#matrix svg");
    const before = svg.getBoundingClientRect().width;
    document.querySelector("[data-zoom='1.25']").click();
    used.grown = svg.getBoundingClientRect().width / before;
    const maps = document.getElementById("maps");
    const mapsShown = () => [...document.querySelectorAll(".gallery img.map")]
      .filter(image => getComputedStyle(image).display !== "none").length;
    const mapsBefore = mapsShown();
    maps.click();
    used.maps = [mapsBefore, mapsShown(), maps.tabIndex];
    const overlay = document.querySelector(".gallery img.map");
    const base = overlay.previousElementSibling.getBoundingClientRect();
    const over = overlay.getBoundingClientRect();
    used.moved = Math.hypot(over.x - base.x, over.y - base.y, over.width - base.width,
                            over.height - base.height);
  }
  const axeFound = window.axe ? (await axe.run()).violations
    .filter(v => ["serious", "critical"].includes(v.impact))
    .map(v => `${v.id}: ${v.nodes[0].html}`) : [];
  document.getElementById("findings").textContent = "FINDINGS" + JSON.stringify({
    problems, axeFound, ...used,
    overflow: document.documentElement.scrollWidth - innerWidth,
    dark: getComputedStyle(document.body).backgroundColor,
  }) + "END";
});
</script>
"""


def write_page(text: str, file: Path) -> Path:
    """Adds HARNESS to the HTML page `text`, and writes the page to `file`.

    The function removes the page's security policy, because the policy would block the script in
    HARNESS.
    """
    text = re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", text)
    axe = os.environ.get("AXE")
    script = f"<script>{Path(axe).read_text()}</script>" if axe else ""
    file.write_text(text.replace("<head>", "<head>" + HARNESS % script, 1))
    return file


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    contents = make_contents(("daisy", "roses", SCRIPT))
    return write_page(make_page(contents), tmp_path_factory.mktemp("page") / "report.html")


@pytest.fixture(scope="module")
def comparison(tmp_path_factory):
    contents = make_contents(("daisy", "roses", SCRIPT))
    record, answers = make_record(contents), contents.answers
    images = {file: base64.b64encode(t.jpeg).decode() for file, t in contents.thumbnails.items()}
    first, second = (
        ComparedRun(
            name=f"flowers/{number}",
            page=f"/runs/flowers/Report/report/{number}/report.html",
            record=dataclasses.replace(record, options={"train.epochs": str(number)}),
            answers=dataclasses.replace(answers, predicted=np.roll(answers.predicted, number)),
            images=images,
        )
        for number in (0, 1)
    )
    page = make_comparison_page(compare_runs(first, second))
    return write_page(page, tmp_path_factory.mktemp("page") / "comparison.html")


@pytest.mark.parametrize("width", [1280, 500])  # Chromium's windows are at least 500 pixels wide
def test_a_report_works_and_fits_the_window(report, width, tmp_path):
    findings = open_in_chromium(report, width, tmp_path)
    assert findings["shown"] == findings["ofClass"] > 0
    assert findings["grown"] == pytest.approx(1.25, abs=0.02)
    # `maps` contains the number of visible heat maps before and after a click on their control, and
    # the control's tabIndex, which is 0 if the Tab key can reach the control.
    assert findings["maps"] == [0, 2, 0]
    assert findings["moved"] < 1  # pixels between a thumbnail and its heat map


def test_a_comparison_fits_the_window(comparison, tmp_path):
    open_in_chromium(comparison, 500, tmp_path)


def open_in_chromium(page: Path, width: int, folder: Path) -> dict[str, Any]:
    """Opens a page in Chromium, checks that it has no problems, and returns what HARNESS found."""
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("no chromium (apt install chromium)")
    shown = subprocess.run(
        [
            chromium,
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            f"--user-data-dir={folder}",
            f"--window-size={width},900",
            "--virtual-time-budget=20000",
            "--dump-dom",
            page.as_uri(),
        ],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    ).stdout
    (text,) = re.findall(r'<pre id="findings">FINDINGS(.*)END</pre>', shown)
    findings = json.loads(text.replace("&gt;", ">").replace("&lt;", "<").replace("&amp;", "&"))
    assert findings["problems"] == []
    assert findings["axeFound"] == []
    assert findings["overflow"] <= 0
    return findings
