"""Tests of models in a bucket.

TensorFlow's file systems ram:// (in memory) and file:// stand for gs://, which has the same
interface.
"""

import os
import shutil
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

from backbones import bucket
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
    """Returns a copy of the SavedModel that a test may change."""
    return shutil.copytree(tiny_backbone, tmp_path / "bucket" / "model")


def resolve_model(uri, cache):
    return resolve(str(uri), weights="pretrained", cache=cache)


def copies(cache):
    paths = (cache / "remote").glob("[!.]*")
    return sorted(path for path in paths if path.suffix != ".sha256")


def test_without_a_network_a_bucket_fails_at_once(tmp_path, monkeypatch):
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", "http://127.0.0.1:1")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with pytest.raises(InputError, match=r"^--model gs://b/m: http.* cannot be reached"):
        resolve_model("gs://b/m", tmp_path)


def test_a_saved_model_is_copied(tiny_backbone, tmp_path):
    uri = "ram://bucket/model"
    for path in tiny_backbone.rglob("*"):
        if path.is_file():
            name = f"{uri}/{path.relative_to(tiny_backbone)}"
            tf.io.gfile.makedirs(name.rsplit("/", 1)[0])
            tf.io.gfile.copy(str(path), name, overwrite=True)
    check_model(uri, "pretrained")
    directory = resolve_model(uri, tmp_path)
    assert read_shapes(directory) == read_shapes(tiny_backbone)
    images = tf.zeros([1, 16, 16, 3])
    np.testing.assert_array_equal(
        tf.saved_model.load(str(directory))(images), tf.saved_model.load(str(tiny_backbone))(images)
    )


def test_a_checkpoint_is_copied(tmp_path):
    np.savez(tmp_path / "mini.npz", **random_arrays(MODELS["vit_mini_fe"].architecture, seed=0))
    directory = resolve_model(f"file://{tmp_path}/mini.npz", tmp_path / "cache")
    assert read_shapes(directory).features == 96
    (copy,) = copies(tmp_path / "cache")
    assert copy.suffix == ".npz"


def test_unchanged_files_are_copied_once(model, tmp_path):
    first = resolve_model(f"file://{model}", tmp_path)
    written = {path: path.stat().st_ino for path in first.rglob("*")}
    assert resolve_model(f"file://{model}/", tmp_path) == first
    assert {path: path.stat().st_ino for path in first.rglob("*")} == written


def test_changed_files_are_copied_beside_the_old_copy(model, tmp_path):
    first = resolve_model(f"file://{model}", tmp_path)
    os.utime(model / "variables" / "variables.data-00000-of-00001", ns=(1, 1))
    second = resolve_model(f"file://{model}", tmp_path)
    assert copies(tmp_path) == sorted([first, second])
    assert read_shapes(first) == read_shapes(second)


def test_remains_of_a_killed_copy_are_removed(model, tmp_path):
    first = resolve_model(f"file://{model}", tmp_path)
    key, _ = first.name.split("-")
    left = first.parent / f".{key}.abc" / first.name
    left.parent.mkdir()
    first.rename(left)
    assert resolve_model(f"file://{model}", tmp_path) == first
    assert not left.parent.exists()


def test_two_processes_copy_once(model, tmp_path, project):
    command = [sys.executable, "-c", RESOLVE, f"file://{model}", str(tmp_path)]
    processes = [
        subprocess.Popen(command, cwd=project, stdout=subprocess.PIPE, text=True) for _ in range(2)
    ]
    answers = {process.communicate(timeout=200)[0].strip() for process in processes}
    (copy,) = copies(tmp_path)
    assert answers == {str(copy)}


def test_a_copy_that_has_changed_since_its_download(model, tmp_path):
    copy = resolve_model(f"file://{model}", tmp_path)
    (data,) = copy.glob("variables/variables.data*")
    data.write_bytes(data.read_bytes()[:-1] + b"!")
    with pytest.raises(InputError, match=f"{copy}: has changed since it was downloaded"):
        resolve_model(f"file://{model}", tmp_path)
    shutil.rmtree(copy)
    assert resolve_model(f"file://{model}", tmp_path) == copy


def test_an_object_name_that_leads_outside_is_refused(model, tmp_path, monkeypatch):
    """Cloud Storage allows `..` in the names of objects, so a name could lead out of the cache.

    Source: cloud.google.com/storage/docs/objects#naming.
    """
    monkeypatch.setattr(bucket, "_files", lambda uri: [("saved_model.pb", "1"), ("../../x", "2")])
    with pytest.raises(InputError, match=r"has an object \.\./\.\./x; expected names without"):
        resolve_model(f"file://{model}", tmp_path)
    assert copies(tmp_path) == []


def test_a_missing_model_is_named(tmp_path):
    with pytest.raises(InputError, match="--model ram://bucket/nothing: cannot be read"):
        resolve_model("ram://bucket/nothing", tmp_path)
    assert copies(tmp_path) == []
