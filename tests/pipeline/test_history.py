"""Tests of `--history` and `--compare`, which read the run.json file of each report."""

import dataclasses
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import pipeline_runner
from common.mcnemar import describe_p, mcnemar
from components.report.contents import Verdict
from components.report.run_record import note_cached_run
from components.report.write import write_report
from tests.components.report.samples import SCRIPT, make_contents, stopped_contents
from tests.google_storage import storage_with

CLASSES = ("daisy", SCRIPT)


def write_run(root, number, contents):
    page = str(root / "Report" / "report" / str(number) / "report.html")
    write_report(contents, page)
    return page


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    """Returns a pipeline root with the reports of three runs (one refused, one pushed, one cached),
    and with damaged files beside them."""
    root = tmp_path_factory.mktemp("runs") / "flowers"
    refused = Verdict(blessed=False, reasons="accuracy 0.8 is below 0.9")
    contents = make_contents(CLASSES)
    write_run(root, 9, dataclasses.replace(contents, verdict=refused))
    pushed = Verdict(blessed=True, pushed_to=str(root / "serving" / "17"), version="17")
    settings = dataclasses.replace(
        contents.settings,
        tune="full",
        options={"train.epochs": "30", "train.ema": "0.9"},
        lineage={"images": "1" * 64},
    )
    answers = contents.answers
    wrong = np.flatnonzero(~answers.is_right)
    predicted = answers.predicted.copy()
    predicted[wrong[3:]] = answers.labels[wrong[3:]]
    right = np.flatnonzero(answers.is_right)
    predicted[right[0]] = 1 - predicted[right[0]]
    later = dataclasses.replace(
        contents,
        made_at="2026-02-01 12:00 UTC",
        verdict=pushed,
        settings=settings,
        answers=dataclasses.replace(answers, predicted=predicted),
    )
    page = write_run(root, 12, later)
    write_run(root, 13, stopped_contents(CLASSES))
    damaged = root / "Report" / "report" / "14" / "run.json"
    damaged.parent.mkdir()
    damaged.write_text("{")
    note_cached_run(str(root), page)
    with (root / "Report" / "cached_runs.jsonl").open("a") as file:
        file.write("{\n")
    return root


@pytest.fixture
def root(original, tmp_path, monkeypatch):
    """Copies the pipeline root `original` to the folder `runs` of the working directory; returns
    the copy."""
    monkeypatch.chdir(tmp_path)
    return Path(shutil.copytree(original, tmp_path / "runs" / "flowers"))


def test_the_runs_of_a_root(root, capsys):
    assert pipeline_runner.main(["--history"]) == 0
    header, first, second, third = capsys.readouterr().out.splitlines()
    assert header.split()[:2] == ["RUN", "ENDED"]
    assert first.startswith("flowers/9 ")
    assert "not blessed" in first
    assert "2026-02-01 12:00 UTC" in second
    assert "pushed 17" in second
    assert second.endswith("/Report/report/12/report.html")
    answers = make_contents(CLASSES).answers.accuracy
    assert f"{answers.value:.4f} ({answers.low:.2f} to {answers.high:.2f}" in first
    assert "pushed 17, all from the cache" in third
    # The third run took its report from TFX's cache. The history shows when the third run ended,
    # and not the date in the report.
    assert "2026-02-01" not in third
    assert pipeline_runner.main(["--history", "--name", "other"]) == 0
    assert capsys.readouterr().out == "no runs\n"
    assert pipeline_runner.main(["--history", "--pipeline-root", "s3://bucket/root"]) == 2


def test_two_runs_side_by_side(root, capsys):
    assert pipeline_runner.main(["--compare", "flowers/9", "flowers/12"]) == 0
    text = capsys.readouterr().out
    lines = [line.split() for line in text.splitlines()]
    assert ["tune", "head", "full"] in lines
    assert ["train.ema", "default", "0.9"] in lines
    assert not any("train.epochs" in line for line in lines)
    assert ["fingerprint", "of", "images", "0" * 12, "1" * 12] in lines
    wrong = make_contents(CLASSES).answers
    only_second = int((~wrong.is_right).sum()) - 3
    p = mcnemar(1, only_second)
    assert p < 0.05
    assert f"only flowers/9 is right on 1, only flowers/12 on {only_second}" in text
    assert f"{describe_p(p)}. flowers/12 is significantly better (p below 0.05)." in text
    page = text.splitlines()[-1].removeprefix("page: ")
    html = (root.parent / "comparisons" / "flowers-9-and-flowers-12.html").read_text()
    assert page.endswith("/runs/comparisons/flowers-9-and-flowers-12.html")
    assert "<script" not in html
    assert f"Only flowers/12 is right: {only_second}" in html
    assert html.count("data:image/jpeg;base64,") >= only_second
    # Besides a run such as flowers/12, `--compare` accepts the name of a pipeline, which stands for
    # its newest run, and the path of a report or of a report's folder.
    name = make_contents(CLASSES).settings.name
    folder = root / "Report" / "report" / "9"
    assert pipeline_runner.main(["--compare", str(folder), name]) == 0
    page = str(folder / "report.html")
    assert pipeline_runner.main(["--compare", page, "flowers/12"]) == 0
    capsys.readouterr()
    assert pipeline_runner.main(["--compare", page, "flowers/9"]) == 2
    assert (
        f"--compare {page} flowers/9: found the same run twice; expected" in capsys.readouterr().err
    )


@pytest.mark.parametrize(
    ("run", "expected"),
    [
        ("flowers/77", "no such run; expected the name of a run (see --history), the name of"),
        ("runs/flowers/Report/report/13", "13 has no run.json; expected the report of a run whose"),
    ],
)
def test_runs_that_cannot_be_compared(root, capsys, run, expected):
    assert pipeline_runner.main(["--compare", run, "flowers/9"]) == 2
    assert expected in capsys.readouterr().err


def test_files_of_a_run_that_are_missing_or_damaged(root, capsys):
    answers = root / "Report" / "report" / "9" / "answers.json"
    for content, expected in (
        ('{"classes": []}', "is damaged (KeyError"),
        (None, "has no answers.json, since an earlier version"),
    ):
        answers.write_text(content) if content else answers.unlink()
        assert pipeline_runner.main(["--compare", "flowers/9", "flowers/12"]) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert expected in line


def test_runs_in_a_bucket(root, capsys, monkeypatch, tmp_path):
    objects = {
        f"models/{file.relative_to(root.parent)}": file.read_bytes()
        for file in root.rglob("*")
        if file.is_file()
    }
    of_cluster = "models/flowers/run-7/Report/5e1f-43"
    for name in ("run.json", "answers.json", "report.html"):
        objects[f"{of_cluster}/{name}"] = objects[f"models/flowers/Report/report/9/{name}"]
    given = ["--pipeline-root", "gs://bucket/models/flowers"]
    with storage_with(objects, monkeypatch, tmp_path) as server:
        assert pipeline_runner.main(["--history", *given]) == 0
        _, *rows = capsys.readouterr().out.splitlines()
        assert [row.split()[0] for row in rows] == [
            "flowers/run-7/Report/5e1f-43",
            "flowers/9",
            "flowers/12",
            "flowers/12",
        ]
        assert rows[2].endswith(" gs://bucket/models/flowers/Report/report/12/report.html")
        (listing, *_) = server.find_requests("GET", "/o")
        assert listing.query["matchGlob"] == "models/flowers/**/run.json"
        assert pipeline_runner.main(["--compare", "flowers/9", "flowers/12", *given]) == 0
        assert "only flowers/9 is right on 1" in capsys.readouterr().out
        assert pipeline_runner.main(["--history", "--pipeline-root", "gs://none/flowers"]) == 2
        assert "gs://none/flowers: cannot be listed (" in capsys.readouterr().err


def test_it_imports_no_tensorflow(project, tmp_path):
    code = (
        "import sys, pipeline_runner; pipeline_runner.main(['--history']); "
        "pipeline_runner.main(['--compare', 'a', 'b']); "
        "import components.report.comparison_page, common.plain_storage; "
        "assert not {'tensorflow', 'tfx', 'apache_beam'} & set(sys.modules)"
    )
    environment = {"PYTHONPATH": str(project), "PATH": "/usr/bin:/bin"}
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=environment, check=True)
