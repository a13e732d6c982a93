import subprocess
import sys

import pytest

from pipeline.config import Setting, build_config
from pipeline.root import claimed, state_directory
from trainer.errors import InputError


def test_a_second_run_at_the_same_time_is_refused(tmp_path):
    with (
        claimed(tmp_path, "one"),
        pytest.raises(InputError, match="another run is going on"),
        claimed(tmp_path, "one"),
    ):
        pass


def test_one_run_after_the_other(tmp_path):
    for _ in range(2):
        with claimed(tmp_path, "one"):
            pass


def test_a_root_of_another_pipeline_is_refused(tmp_path):
    with claimed(tmp_path, "one"):
        pass
    with pytest.raises(InputError, match="belongs to the pipeline one"), claimed(tmp_path, "two"):
        pass


def test_a_killed_run_leaves_no_lock(tmp_path, project):
    code = f"""
import os, signal
from pathlib import Path
from pipeline.root import claimed
with claimed(Path({str(tmp_path)!r}), "one"):
    os.kill(os.getpid(), signal.SIGKILL)
"""
    killed = subprocess.run([sys.executable, "-c", code], cwd=project, check=False)
    assert killed.returncode == -9
    with claimed(tmp_path, "one"):
        pass


def test_a_root_that_is_a_file_is_refused(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="expected a directory"), claimed(tmp_path / "file", "one"):
        pass


def test_state_of_a_remote_root_stays_here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    settings = {"model": "vit_b16_fe", "name": "far", "pipeline_root": "gs://bucket/root"}
    config = build_config({key: Setting(value, key) for key, value in settings.items()})
    assert state_directory(config) == tmp_path / "runs" / "far"
