import subprocess
import sys

import pytest

from common.errors import InputError
from pipeline.options.build import build_config
from pipeline.options.settings import Setting
from pipeline.root import claim_root, state_directory
from tests.full_disk import full_disk


def config_of(model="vit_b16_fe", **values):
    settings = {"model": model} | values
    return build_config({key: Setting(value, key) for key, value in settings.items()})


ONE, TWO = config_of(name="one"), config_of(name="two")


def test_a_second_run_at_the_same_time_is_refused(tmp_path):
    with (
        claim_root(tmp_path, ONE),
        pytest.raises(InputError, match="another run is using it"),
        claim_root(tmp_path, ONE),
    ):
        pass


def test_consecutive_runs_can_claim_a_root(tmp_path):
    for _ in range(2):
        with claim_root(tmp_path, ONE):
            pass


def test_a_root_of_another_pipeline_is_refused(tmp_path):
    with claim_root(tmp_path, ONE) as record_owner:
        record_owner()
    with pytest.raises(InputError, match="belongs to the pipeline one"), claim_root(tmp_path, TWO):
        pass


def test_a_run_that_ends_early_does_not_claim_the_root(tmp_path):
    """A run may end before it has found its inputs, for example, by Ctrl-C or a failed download."""
    with pytest.raises(KeyboardInterrupt), claim_root(tmp_path, ONE):
        raise KeyboardInterrupt
    with claim_root(tmp_path, TWO) as record_owner:
        record_owner()
    with pytest.raises(InputError, match="belongs to the pipeline two"), claim_root(tmp_path, ONE):
        pass


@pytest.mark.parametrize("name", [".pipeline-name", ".pipeline-reads"])
@pytest.mark.parametrize("content", [b"", b"\0" * 20, b"\xff\xfe"])
def test_a_damaged_name_is_written_again_with_a_warning(tmp_path, name, content, caplog):
    with claim_root(tmp_path, ONE) as record_owner:
        record_owner()
        before = (tmp_path / name).read_text()
    (tmp_path / name).write_bytes(content)
    with claim_root(tmp_path, ONE) as record_owner:
        record_owner()
        assert (tmp_path / name).read_text() == before
    assert f"{tmp_path / name}: the file is damaged or empty" in caplog.text


def test_a_full_disk_leaves_a_root_that_works_once_there_is_room(tmp_path):
    root = tmp_path / "root"
    with (
        full_disk(),
        pytest.raises(InputError, match=r"root: File too large; expected free space"),
        claim_root(root, ONE) as record_owner,
    ):
        record_owner()
    assert [file.name for file in root.iterdir()] == [".lock"]
    with claim_root(root, ONE) as record_owner:
        record_owner()
        assert (root / ".pipeline-name").read_text() == "one"


def test_a_killed_run_leaves_no_lock(tmp_path, project):
    code = f"""
import os, signal
from pathlib import Path
from pipeline.root import claim_root
from tests.pipeline.test_root import ONE
with claim_root(Path({str(tmp_path)!r}), ONE):
    os.kill(os.getpid(), signal.SIGKILL)
"""
    killed = subprocess.run([sys.executable, "-c", code], cwd=project, check=False)
    assert killed.returncode == -9
    with claim_root(tmp_path, ONE):
        pass


def test_a_root_that_is_a_file_is_refused(tmp_path):
    (tmp_path / "file").touch()
    with (
        pytest.raises(InputError, match="expected a writable directory"),
        claim_root(tmp_path / "file", ONE),
    ):
        pass


def test_the_state_of_a_remote_root_is_local(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    config = config_of(name="far", pipeline_root="gs://bucket/root")
    assert state_directory(config) == tmp_path / "runs" / "far"


def test_other_data_of_the_same_default_name_is_refused(tmp_path):
    """If two datasets shared a pipeline root, a run would compare its model with a champion of the
    other dataset."""
    folders = [tmp_path / "a" / "flowers", tmp_path / "b" / "flowers"]
    for folder in folders:
        folder.mkdir(parents=True)
    first, second = (config_of(dataset=str(folder)) for folder in folders)
    assert first.name == second.name
    root = tmp_path / "root"
    for _ in range(2):
        with claim_root(root, first) as record_owner:
            record_owner()
    with (
        pytest.raises(InputError, match=f"has runs of .*{folders[0]}.*--name"),
        claim_root(root, second),
    ):
        pass
    named = [config_of(dataset=str(folder), name="mine") for folder in folders]
    for config in named:
        with claim_root(tmp_path / "named", config) as record_owner:
            record_owner()
