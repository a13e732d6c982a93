"""By TensorFlow's file systems in memory, ram://, and on disk, file://; that for gs:// has the same
interface."""

import os
import shutil
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

from backbones.augreg.initialization import random_arrays
from backbones.catalogue import MODELS
from backbones.contract import read_shapes
from backbones.resolve import check_model, resolve
from common.errors import InputError

RESOLVE = (
    "import sys; from pathlib import Path; from backbones.resolve import resolve; "
    "print(resolve(sys.argv[1], weights='pretrained', cache=Path(sys.argv[2])))"
)


@pytest.fixture
def model(tiny_backbone, tmp_path):
    """A SavedModel that may be changed."""
    return shutil.copytree(tiny_backbone, tmp_path / "bucket" / "model")


def resolved(uri, cache):
    return resolve(str(uri), weights="pretrained", cache=cache)


def copies(cache):
    return sorted(path for path in (cache / "remote").iterdir() if not path.name.startswith("."))


def test_without_a_network_it_fails_at_once(tmp_path, monkeypatch):
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", "http://127.0.0.1:1")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with pytest.raises(InputError, match=r"^--model gs://b/m: http.* cannot be reached"):
        resolved("gs://b/m", tmp_path)


def test_a_saved_model_is_copied(tiny_backbone, tmp_path):
    uri = "ram://bucket/model"
    for path in tiny_backbone.rglob("*"):
        if path.is_file():
            name = f"{uri}/{path.relative_to(tiny_backbone)}"
            tf.io.gfile.makedirs(name.rsplit("/", 1)[0])
            tf.io.gfile.copy(str(path), name, overwrite=True)
    check_model(uri, "pretrained")
    directory = resolved(uri, tmp_path)
    assert read_shapes(directory) == read_shapes(tiny_backbone)
    images = tf.zeros([1, 16, 16, 3])
    np.testing.assert_array_equal(
        tf.saved_model.load(str(directory))(images), tf.saved_model.load(str(tiny_backbone))(images)
    )


def test_a_checkpoint_is_copied(tmp_path):
    np.savez(tmp_path / "mini.npz", **random_arrays(MODELS["vit_mini_fe"].architecture, seed=0))
    directory = resolved(f"file://{tmp_path}/mini.npz", tmp_path / "cache")
    assert read_shapes(directory).features == 96
    (copy,) = copies(tmp_path / "cache")
    assert copy.suffix == ".npz"


def test_what_has_not_changed_is_copied_once(model, tmp_path):
    first = resolved(f"file://{model}", tmp_path)
    written = {path: path.stat().st_ino for path in first.rglob("*")}
    assert resolved(f"file://{model}/", tmp_path) == first
    assert {path: path.stat().st_ino for path in first.rglob("*")} == written


def test_what_has_changed_is_copied_beside_the_copy_that_a_run_may_read(model, tmp_path):
    first = resolved(f"file://{model}", tmp_path)
    os.utime(model / "variables" / "variables.data-00000-of-00001", ns=(1, 1))
    second = resolved(f"file://{model}", tmp_path)
    assert copies(tmp_path) == sorted([first, second])
    assert read_shapes(first) == read_shapes(second)


def test_what_a_killed_copy_has_left_is_removed(model, tmp_path):
    first = resolved(f"file://{model}", tmp_path)
    key, _ = first.name.split("-")
    left = first.parent / f".{key}.abc" / first.name
    left.parent.mkdir()
    first.rename(left)
    assert resolved(f"file://{model}", tmp_path) == first
    assert not left.parent.exists()


def test_two_processes_copy_once(model, tmp_path, project):
    command = [sys.executable, "-c", RESOLVE, f"file://{model}", str(tmp_path)]
    processes = [
        subprocess.Popen(command, cwd=project, stdout=subprocess.PIPE, text=True) for _ in range(2)
    ]
    answers = {process.communicate(timeout=200)[0].strip() for process in processes}
    (copy,) = copies(tmp_path)
    assert answers == {str(copy)}


def test_nothing_there(tmp_path):
    with pytest.raises(InputError, match="--model ram://bucket/nothing: cannot be read"):
        resolved("ram://bucket/nothing", tmp_path)
    assert copies(tmp_path) == []
