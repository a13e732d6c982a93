"""Tests of TfdsSource, on prepared datasets."""

import functools
import hashlib
import http.server
import os
import shutil
import tarfile
import threading
import time
from collections import Counter
from unittest import mock

import pytest
import tensorflow as tf
from etils import epath

from common.errors import InputError
from components.image_example_gen.sources.tfds import TfdsSource


@pytest.fixture(scope="module")
def data_dir(shared):
    return str(shared / "tfds")


def test_flowers(data_dir):
    source = TfdsSource("tf_flowers", data_dir)
    source.prepare()
    assert source.classes() == ("dandelion", "daisy", "tulips", "sunflowers", "roses")
    images = source.images()
    assert len(images) == 600
    assert {image.split for image in images} == {""}
    few = images[5:8][::-1]
    for image, read in zip(few, source.read(few), strict=True):
        assert (read.file_name, read.label, read.error) == (image.file_name, image.label, "")
        assert hashlib.sha256(read.encoded).hexdigest() == image.digest
        assert (len(read.encoded), read.encoded[:2]) == (image.size, b"\xff\xd8")


def test_names_are_those_of_tfds(data_dir):
    import tensorflow_datasets as tfds

    dataset = tfds.load(
        "tf_flowers",
        data_dir=data_dir,
        split="train[:20]",
        read_config=tfds.ReadConfig(add_tfds_id=True),
    )
    names = [example["tfds_id"].decode() for example in tfds.as_numpy(dataset)]
    assert names == [image.file_name for image in TfdsSource("tf_flowers", data_dir).images()[:20]]


def test_pets_have_a_test_split_and_all_breeds(data_dir):
    source = TfdsSource("oxford_iiit_pet", data_dir)
    source.prepare()
    assert len(source.classes()) == 37
    assert Counter(image.split for image in source.images()) == {"train": 252, "test": 84}


def test_a_name_that_tfds_does_not_know_is_refused_with_the_near_miss(tmp_path):
    for name in ("mnist", "mnist:3.0.1", "cifar10_h/config", "huggingface:any"):
        TfdsSource(name, str(tmp_path)).check()
    unknown = TfdsSource("tf_flower", str(tmp_path))
    with pytest.raises(InputError, match=r"TFDS has no such dataset;.*did you mean tf_flowers"):
        unknown.check()
    # A dataset in the data directory is accepted, even if TFDS does not know the dataset's name.
    (tmp_path / "tf_flower").mkdir()
    unknown.check()
    with pytest.raises(
        InputError,
        match=r"tfds:a b: is not the name of a dataset.*tfds:NAME\[/CONFIG\]\[:VERSION\]",
    ):
        TfdsSource("a b", str(tmp_path)).check()


@pytest.fixture
def flowers_record(data_dir, tmp_path):
    """Copies tf_flowers to `tmp_path`; returns the copy's record file."""
    shutil.copytree(f"{data_dir}/tf_flowers", tmp_path / "tf_flowers", copy_function=shutil.copy)
    (record,) = (tmp_path / "tf_flowers").glob("*/*.tfrecord-*")
    return record


def rewrite(record, change):
    """Replaces each example in a record file with the bytes that `change` returns."""
    examples = list(tf.data.TFRecordDataset(str(record)).as_numpy_iterator())
    with tf.io.TFRecordWriter(str(record)) as writer:
        for index, example in enumerate(examples):
            writer.write(change(index, tf.train.Example.FromString(example)))


def serialize_features_in_reverse(_, example):
    """Serializes features in reverse order, because the order may differ between processes."""
    features = sorted(example.features.feature.items(), reverse=True)
    parts = [tf.train.Example(features={"feature": {name: value}}) for name, value in features]
    return b"".join(part.SerializeToString() for part in parts)


def flip_a_bit_of_one_image(index, example):
    """Serializes an example; if `index` is 300, first flips the last bit of the image."""
    (image,) = example.features.feature["image"].bytes_list.value
    if index == 300:
        example.features.feature["image"].bytes_list.value[0] = image[:-1] + bytes([image[-1] ^ 1])
    return example.SerializeToString()


def test_two_copies_have_one_fingerprint(data_dir, tmp_path, flowers_record):
    """Time, folder and process of the preparation by TFDS do not change the fingerprint."""
    expected = TfdsSource("tf_flowers", data_dir).fingerprint()
    os.utime(flowers_record, ns=(1, 1))
    assert TfdsSource("tf_flowers", str(tmp_path)).fingerprint() == expected
    before = flowers_record.read_bytes()
    rewrite(flowers_record, serialize_features_in_reverse)
    assert flowers_record.read_bytes() != before
    assert TfdsSource("tf_flowers", str(tmp_path)).fingerprint() == expected


def test_the_fingerprint_follows_the_images(data_dir, tmp_path, flowers_record):
    """A changed image changes the fingerprint, even if the file keeps its name, size and time."""
    stat = flowers_record.stat()
    rewrite(flowers_record, flip_a_bit_of_one_image)
    os.utime(flowers_record, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert flowers_record.stat().st_size == stat.st_size
    before = TfdsSource("tf_flowers", data_dir).fingerprint()
    assert TfdsSource("tf_flowers", str(tmp_path)).fingerprint() != before


def test_an_unchanged_record_file_is_not_parsed_again(tmp_path, flowers_record, monkeypatch):
    later = time.time_ns() + 10**10
    monkeypatch.setattr(time, "time_ns", lambda: later)
    source = TfdsSource("tf_flowers", str(tmp_path))
    before = source.fingerprint(tmp_path)
    monkeypatch.setattr(tf.train.Example, "FromString", None)
    assert source.fingerprint(tmp_path) == before


def test_a_damaged_record_file_is_named(tmp_path, flowers_record):
    content = bytearray(flowers_record.read_bytes())
    content[len(content) // 2] ^= 1
    flowers_record.write_bytes(content)
    with pytest.raises(
        InputError, match=rf"{flowers_record} is damaged; expected the files of TFDS"
    ):
        TfdsSource("tf_flowers", str(tmp_path)).fingerprint()


def test_a_missing_record_file_is_named(tmp_path, flowers_record):
    source = TfdsSource("tf_flowers", str(tmp_path))
    source.prepare()
    flowers_record.unlink()
    with pytest.raises(
        InputError, match=rf"{flowers_record} is missing; expected the files of TFDS"
    ):
        source.fingerprint()


def test_in_a_bucket_the_listing_is_the_fingerprint(data_dir, monkeypatch):
    """In a bucket, a dataset's fingerprint depends on the names, sizes and times of the files.

    The test mocks the files.
    """
    stat = mock.Mock(length=5, mtime=7)
    file = mock.MagicMock(spec=epath.Path, stat=lambda: stat)
    file.name, file.__fspath__.return_value = "a.tfrecord", "gs://bucket/tf_flowers/a.tfrecord"
    info = mock.Mock(full_name="tf_flowers/3.0.1", splits={"train": mock.Mock(filepaths=[file])})
    source = TfdsSource("tf_flowers", data_dir)
    monkeypatch.setitem(vars(source), "_builder", mock.Mock(info=info))
    before = source.fingerprint()
    assert source.fingerprint() == before
    stat.mtime = 8
    assert source.fingerprint() != before


def test_an_unknown_dataset():
    with pytest.raises(InputError, match="TFDS has no such dataset"):
        TfdsSource("no_such_dataset").prepare()


def test_features_that_do_not_fit(tmp_path):
    with pytest.raises(InputError, match="expected an Image called image and a ClassLabel"):
        TfdsSource("titanic", str(tmp_path)).prepare()


def test_a_download_that_succeeds(tmp_path, monkeypatch, jpeg):
    """The downloader of TFDS gets an archive with the published layout from a local server."""
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
    assert [image.encoded for image in source.read(source.images())] == [jpeg] * 5
