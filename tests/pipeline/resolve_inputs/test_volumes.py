"""Tests that ResolveInputs refuses read-only volumes, and directories of another pipeline."""

import os

import pytest

from common.errors import InputError
from pipeline.resolve_inputs.ownership import claim
from pipeline.resolve_inputs.volumes import check_volumes
from tests.pipeline.test_root import config_of


def make_config(directory, **values):
    storage = {"cloud.volumes": [f"vit-state:{directory}"], "cloud.state_dir": f"{directory}/s"}
    settings = {"run.runner": "kubeflow", "pipeline_root": "minio://b/flowers", "name": "flowers"}
    return config_of(**settings | storage | values)


def test_a_volume_that_can_be_written_is_left_as_it_is(tmp_path):
    """The check leaves no file in the volume, and does not change the volume's mtime."""
    before = tmp_path.stat()
    check_volumes(make_config(tmp_path))
    assert (list(tmp_path.iterdir()), tmp_path.stat().st_mtime_ns) == ([], before.st_mtime_ns)


def test_buckets_are_not_checked():
    check_volumes(config_of(**{"run.runner": "kubeflow", "pipeline_root": "gs://b/flowers"}))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_volume_of_another_user_is_refused(tmp_path):
    tmp_path.chmod(0o555)
    with pytest.raises(InputError, match=r"^cloud.state_dir .*/s: permission denied: "):
        check_volumes(make_config(tmp_path))


def test_the_message_names_the_volume_its_user_and_the_remedy(tmp_path, monkeypatch):
    """`os.access` is mocked, because the test may run as root, who can write everywhere."""

    monkeypatch.setattr(os, "access", lambda path, mode: False)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    tmp_path.chmod(0o755)
    with pytest.raises(InputError) as error:
        check_volumes(make_config(tmp_path))
    assert str(error.value) == (
        f"cloud.state_dir {tmp_path}/s: permission denied: {tmp_path} belongs to user "
        f"{tmp_path.stat().st_uid} (mode 755) and the steps run as user 1000; expected a volume "
        "that this user can write to: run `chown -R 1000` on it once, as docs/kubeflow.md shows"
    )


def test_a_state_directory_of_another_pipeline_is_refused(tmp_path):
    claim(make_config(tmp_path))
    claim(make_config(tmp_path))
    message = f"^{tmp_path}/s: belongs to the pipeline flowers; expected other: choose another clou"
    with pytest.raises(InputError, match=message):
        claim(make_config(tmp_path, name="other"))


def test_a_pipeline_root_of_another_pipeline_is_refused(tmp_path):
    root = str(tmp_path / "root")
    claim(config_of(pipeline_root=root, name="flowers"))
    message = r"belongs to the pipeline flowers; .*another pipeline_root"
    with pytest.raises(InputError, match=message):
        claim(config_of(pipeline_root=root, name="other"))
