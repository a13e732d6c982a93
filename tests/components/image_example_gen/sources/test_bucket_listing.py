"""Tests of sources in a bucket, with a stand-in for Cloud Storage on loopback."""

import hashlib

import pytest

from common.errors import InputError
from components.image_example_gen.sources.base import ImageReference
from components.image_example_gen.sources.bucket_listing import ListedFile, list_files
from components.image_example_gen.sources.manifest import ManifestSource
from components.image_example_gen.sources.records import Features, RecordFiles
from components.image_example_gen.sources.remote_folder import RemoteFolderSource
from tests.google_storage import encoded, storage_with

FLOWERS = "gs://bucket/flowers"


@pytest.fixture
def storage(monkeypatch, tmp_path):
    objects = {
        "flowers/daisy/1.jpg": b"daisy 1",
        "flowers/daisy/composed.jpg": b"daisy 2",
        "flowers/roses/": b"",
        "flowers/roses/1.jpg": b"rose  1",
        "flowers2/roses/1.jpg": b"another folder",
    }
    with storage_with(objects, monkeypatch, tmp_path) as server:
        yield server


def test_files_have_the_size_and_the_checksum_of_the_listing(storage):
    files = {file.uri.removeprefix("gs://bucket/flowers/"): file for file in list_files(FLOWERS)}
    assert set(files) == {"daisy/1.jpg", "daisy/composed.jpg", "roses/", "roses/1.jpg"}
    md5 = encoded(hashlib.md5(b"daisy 1").digest())
    assert files["daisy/1.jpg"] == ListedFile("gs://bucket/flowers/daisy/1.jpg", 7, md5)
    assert files["daisy/composed.jpg"].version == encoded(b"dais")
    assert len(storage.find_requests("GET", "/o")) == 2


def test_exchanging_two_images_changes_the_fingerprint(storage):
    def fingerprint():
        return RemoteFolderSource(FLOWERS).fingerprint()

    source = RemoteFolderSource(FLOWERS)
    assert source.classes() == ("daisy", "roses")
    before = fingerprint()
    assert fingerprint() == before
    one, other = "flowers/daisy/1.jpg", "flowers/roses/1.jpg"
    storage.objects[one], storage.objects[other] = storage.objects[other], storage.objects[one]
    assert fingerprint() != before


def test_a_missing_bucket(storage):
    with pytest.raises(InputError, match=r"gs://none/x: cannot be listed .*bucket does not exist"):
        list_files("gs://none/x")


def test_images_are_read(storage):
    source = RemoteFolderSource(FLOWERS)
    images = source.images()
    assert [image.encoded for image in source.read(images)] == [b"daisy 1", b"daisy 2", b"rose  1"]
    storage.objects["flowers/daisy/1.jpg"] = b"another size"
    del storage.objects["flowers/roses/1.jpg"]
    changed, same, gone = source.read(images)
    assert changed.error == "cannot be read: the file changed after it was listed"
    assert same.error == ""
    assert gone.error.startswith("cannot be read: ")


def test_a_manifest_and_its_images(storage):
    storage.objects["lists/x.csv"] = (
        b"../flowers/daisy/1.jpg,daisy\ngs://bucket/flowers/roses/1.jpg,roses\n"
        b"gs://bucket/flowers/gone.jpg,roses\n"
    )
    source = ManifestSource("gs://bucket/lists/x.csv")
    source.prepare()
    images = source.images()
    assert [(image.label, image.size) for image in images] == [(0, 7), (1, 7), (1, 0)]
    read = list(source.read(images))
    assert [image.encoded for image in read] == [b"daisy 1", b"rose  1", b""]
    assert read[2].error.startswith("cannot be read: ")


def test_a_single_record_is_read_in_one_range_request(storage):
    import tensorflow as tf

    def example(image):
        return tf.train.Example(
            features={"feature": {"image": {"bytes_list": {"value": [image]}}}}
        ).SerializeToString()

    records = [example(bytes([65 + n]) * 100_000) for n in range(9)]
    storage.objects["x.tfrecord"] = b"".join(bytes(12) + record + bytes(4) for record in records)
    offset = 12 + 5 * (len(records[0]) + 16)
    digest = hashlib.sha256(b"F" * 100_000).hexdigest()
    location = f"{offset} {len(records[0])} gs://bucket/x.tfrecord"
    files = RecordFiles(Features(), tf.data.TFRecordDataset, can_seek=True, expected="")
    (image,) = files.read([ImageReference("x", 0, location, 100_000, digest)])
    assert image.encoded == b"F" * 100_000
    (request,) = storage.find_requests("GET", "/o/x.tfrecord")[1:]
    first, last = map(int, request.headers["range"].removeprefix("bytes=").split("-"))
    assert first == offset
    assert last - first <= len(records[0]) + 65_536
