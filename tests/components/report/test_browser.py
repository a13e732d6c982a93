"""Tests of the report's page in Chromium, if it is installed (Debian's package chromium).

If `$AXE` names axe-core's file axe.min.js (npm install axe-core), accessibility is tested too.
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

# Chromium prints the page after its scripts have run. The harness collects errors of the page's own
# script in `onerror`, and writes all findings into the page.
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
  const axeFound = window.axe ? (await axe.run()).violations
    .filter(v => ["serious", "critical"].includes(v.impact))
    .map(v => `${v.id}: ${v.nodes[0].html}`) : [];
  document.getElementById("findings").textContent = "FINDINGS" + JSON.stringify({
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


@pytest.mark.parametrize("width", [1280, 500])  # Chromium's windows are at least 500 pixels wide
def test_the_page_works_and_fits_the_window(page, width, tmp_path):
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
    assert findings["axeFound"] == []
    assert findings["shown"] == findings["ofClass"] > 0
    assert findings["grown"] == pytest.approx(1.25, abs=0.02)
    assert findings["overflow"] <= 0
