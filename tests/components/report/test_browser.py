"""The page of a report in Chromium, where there is one (Debian's package chromium).

axe-core is looked for in `$AXE` (npm install axe-core; node_modules/axe-core/axe.min.js).
"""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from components.report.page import make_page
from tests.components.report.samples import SCRIPT, make_contents

# Chromium prints the page as it is when its scripts have run. The harness writes what it found into
# the page; `onerror` tells of errors in the page's own script.
HARNESS = """
<script>window.problems = []; onerror = message => { problems.push(String(message)); };</script>
%s
<pre id="findings"></pre>
<script>
addEventListener("load", async () => {
  const select = document.getElementById("of-class");
  select.value = select.options[1].value;
  select.dispatchEvent(new Event("change"));
  const shown = [...document.querySelectorAll(".gallery li")].filter(item => !item.hidden);
  const ofClass = document.querySelectorAll(`.gallery li[data-class="${select.value}"]`).length;
  const svg = document.querySelector("#matrix svg");
  const before = svg.getBoundingClientRect().width;
  document.querySelector("[data-zoom='1.25']").click();
  const maps = document.getElementById("maps");
  const mapsShown = () => [...document.querySelectorAll(".gallery img.map")]
    .filter(image => getComputedStyle(image).display !== "none").length;
  const mapsBefore = mapsShown();
  maps.click();
  const overlay = document.querySelector(".gallery img.map");
  const base = overlay.previousElementSibling.getBoundingClientRect();
  const over = overlay.getBoundingClientRect();
  const axeFound = window.axe ? (await axe.run()).violations
    .filter(v => ["serious", "critical"].includes(v.impact))
    .map(v => `${v.id}: ${v.nodes[0].html}`) : [];
  document.getElementById("findings").textContent = "FINDINGS" + JSON.stringify({
    maps: [mapsBefore, mapsShown(), maps.tabIndex],
    moved: Math.hypot(over.x - base.x, over.y - base.y, over.width - base.width,
                      over.height - base.height),
    problems, axeFound, shown: shown.length, ofClass,
    grown: svg.getBoundingClientRect().width / before,
    overflow: document.documentElement.scrollWidth - innerWidth,
    dark: getComputedStyle(document.body).backgroundColor,
  }) + "END";
});
</script>
"""


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    folder = tmp_path_factory.mktemp("page")
    text = make_page(make_contents(("daisy", "roses", SCRIPT)))
    text = re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", text)
    axe = os.environ.get("AXE")
    script = f"<script>{Path(axe).read_text()}</script>" if axe else ""
    file = folder / "report.html"
    file.write_text(text.replace("<head>", "<head>" + HARNESS % script, 1))
    return file


@pytest.mark.parametrize("width", [1280, 500])  # Chromium's narrowest window is 500 pixels wide
def test_it_works_and_fits_the_window(page, width, tmp_path):
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("no chromium (apt install chromium)")
    shown = subprocess.run(
        [
            chromium,
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            f"--user-data-dir={tmp_path}",
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
    assert findings["maps"] == [0, 2, 0]  # hidden, shown by a click, and reached with the Tab key
    assert findings["moved"] < 1  # pixels between a thumbnail and its map
    assert findings["axeFound"] == []
    assert findings["shown"] == findings["ofClass"] > 0
    assert findings["grown"] == pytest.approx(1.25, abs=0.02)
    assert findings["overflow"] <= 0
