"""Tests of the wheel, which the container image and Beam's --setup_file install."""

import os
import subprocess
import sys
import zipfile

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
    arguments = ["--model", "vit_mini_fe", "--dataset", "digits", "--min-accuracy", "0"]
    run = subprocess.run(
        [sys.executable, "-m", "pipeline_runner", *arguments, "--set", "train.steps=1"],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(installed)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (run.returncode, run.stderr) == (0, "")
    assert "verdict: blessed" in run.stdout.splitlines()[-4:]
    (pushed,) = (tmp_path / "runs" / "digits-vit-mini-fe-full" / "serving").glob("[0-9]*")
    assert (pushed / "saved_model.pb").is_file()
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
