"""The TFDS source, on the prepared datasets."""

import functools
import http.server
import os
import shutil
import tarfile
import threading

import apache_beam as beam
import pytest
from apache_beam.testing import util as beam_testing

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
    assert "downloading it failed (ConnectionError" in message or "(ProxyError" in message
    assert "--data-dir" in message


def test_a_download_that_succeeds(tmp_path, monkeypatch, jpeg):
    """The published archive's layout, from a server of ours, by TFDS's own downloader."""
    from tensorflow_datasets.datasets.tf_flowers import tf_flowers_dataset_builder as flowers

    site = tmp_path / "site"
    for name in ("daisy", "dandelion", "roses", "sunflowers", "tulips"):
        (site / "flower_photos" / name).mkdir(parents=True)
        (site / "flower_photos" / name / "1.jpg").write_bytes(jpeg)
    with tarfile.open(site / "flower_photos.tgz", "w:gz") as archive:
        archive.add(site / "flower_photos", "flower_photos")
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(site))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}/flower_photos.tgz"
        monkeypatch.setattr(flowers, "_URL", address)
        source = TfdsSource("tf_flowers", str(tmp_path / "data"))
        source.prepare()
        server.shutdown()
    with beam.Pipeline() as pipeline:
        images = pipeline | source.read("train") | beam.Map(lambda image: image.encoded)
        beam_testing.assert_that(images, beam_testing.equal_to([jpeg] * 5))
