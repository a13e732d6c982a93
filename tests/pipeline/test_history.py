"""Tests of `--history`, which reads the records that are written with reports."""

import dataclasses
import subprocess
import sys

import pipeline_runner
from components.report.contents import Verdict
from components.report.write import write_report
from tests.components.report.samples import make_contents, stopped_contents

CLASSES = ("daisy", "roses")


def write_run(root, number, contents):
    write_report(contents, str(root / "Report" / "report" / str(number) / "report.html"))


def test_the_runs_of_a_root(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    root = tmp_path / "runs" / "flowers"
    refused = Verdict(blessed=False, reasons="accuracy 0.8 is below 0.9")
    contents = make_contents(CLASSES)
    write_run(root, 9, dataclasses.replace(contents, verdict=refused))
    later = dataclasses.replace(contents, made_at="2026-02-01 12:00 UTC")
    pushed = Verdict(blessed=True, pushed_to=str(root / "serving" / "17"), version="17")
    write_run(root, 12, dataclasses.replace(later, verdict=pushed))
    write_run(root, 13, stopped_contents(CLASSES))
    damaged = root / "Report" / "report" / "14" / "run.json"
    damaged.parent.mkdir()
    damaged.write_text("{")
    assert pipeline_runner.main(["--history"]) == 0
    header, first, second = capsys.readouterr().out.splitlines()
    assert header.split()[:2] == ["ENDED", "NAME"]
    assert "not blessed" in first
    assert "2026-02-01 12:00 UTC" in second
    assert "pushed 17" in second
    assert second.endswith("/Report/report/12/report.html")
    accuracy = contents.answers.accuracy
    assert f"{accuracy.value:.4f} ({accuracy.low:.2f} to {accuracy.high:.2f}" in second
    assert pipeline_runner.main(["--history", "--name", "other"]) == 0
    assert capsys.readouterr().out == "no runs\n"
    assert pipeline_runner.main(["--history", "--pipeline-root", "gs://bucket/root"]) == 2


def test_it_imports_no_tensorflow(project, tmp_path):
    code = (
        "import sys, pipeline_runner; pipeline_runner.main(['--history']); "
        "assert not {'tensorflow', 'tfx', 'apache_beam'} & set(sys.modules)"
    )
    environment = {"PYTHONPATH": str(project), "PATH": "/usr/bin:/bin"}
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=environment, check=True)
