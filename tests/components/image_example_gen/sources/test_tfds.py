"""The TFDS source, on the prepared datasets."""

import os
import shutil

import pytest

from components.image_example_gen.sources.tfds import TfdsSource
from trainer.errors import InputError


@pytest.fixture(scope="module")
def data_dir(shared):
    return str(shared / "tfds")


def test_flowers(data_dir):
    source = TfdsSource("tf_flowers", data_dir)
    source.prepare()
    assert source.classes() == ("dandelion", "daisy", "tulips", "sunflowers", "roses")
    assert source.splits() == ("train",)


def test_pets_have_a_test_split_and_all_breeds(data_dir):
    source = TfdsSource("oxford_iiit_pet", data_dir)
    source.prepare()
    assert len(source.classes()) == 37
    assert source.splits() == ("train", "test")


def test_the_fingerprint_follows_the_files(data_dir, tmp_path):
    shutil.copytree(f"{data_dir}/tf_flowers", tmp_path / "tf_flowers", copy_function=shutil.copy)
    before = TfdsSource("tf_flowers", str(tmp_path)).fingerprint()
    (records,) = (tmp_path / "tf_flowers").glob("*/*.tfrecord-*")
    os.utime(records, ns=(1, 1))
    assert TfdsSource("tf_flowers", str(tmp_path)).fingerprint() != before


def test_an_unknown_dataset():
    with pytest.raises(InputError, match="TFDS has no such dataset"):
        TfdsSource("no_such_dataset").prepare()


def test_features_that_do_not_fit(tmp_path):
    with pytest.raises(InputError, match="expected an Image called image and a ClassLabel"):
        TfdsSource("titanic", str(tmp_path)).prepare()


def test_a_download_that_fails_says_what_to_do(tmp_path, monkeypatch):
    """TFDS's own downloader, with a proxy that refuses every connection."""
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    with pytest.raises(InputError) as error:
        TfdsSource("tf_flowers", str(tmp_path)).prepare()
    message = str(error.value)
    assert f"not found below {tmp_path}/tf_flowers" in message
    assert "downloading it failed" in message
    assert "--data-dir" in message
