"""Tests of the wheel, which the container image and Beam's --setup_file install."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.installation import build_wheel

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def installed(project, tmp_path_factory):
    """Returns a directory with the unpacked wheel of the project."""
    folder = tmp_path_factory.mktemp("installed")
    with zipfile.ZipFile(build_wheel(project, folder)) as archive:
        archive.extractall(folder / "site")
    return folder / "site"


def test_the_wheel_declares_no_dependencies(installed):
    (metadata,) = installed.glob("*.dist-info/METADATA")
    assert "Requires-Dist" not in metadata.read_text()


def test_the_wheel_has_its_data_files(installed):
    assert (installed / "trainer" / "imagenet_classes.txt").is_file()
    assert list((installed / "schemas").glob("*.pbtxt"))


def test_the_pipeline_runs_from_an_empty_directory(installed, tmp_path):
    """The run ends before the training; tests/compiled runs all nodes from the wheel."""
    run = subprocess.run(
        [sys.executable, "-m", "pipeline_runner", "--dataset", "digits", "--inspect"],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(installed)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (run.returncode, run.stderr) == (0, "")
    name, _, page = run.stdout.splitlines()[-1].partition(": ")
    assert name == "report"
    assert Path(page).is_relative_to(tmp_path / "runs")
    assert "Inspected" in Path(page).read_text()
    where = "import pipeline, trainer; print(pipeline.__file__, trainer.__file__)"
    found = subprocess.run(
        [sys.executable, "-c", where],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(installed)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert found.stdout.count(str(installed)) == 2
