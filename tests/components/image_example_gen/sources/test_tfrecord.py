"""Tests of TfrecordSource, with plain and compressed files and several names of features."""

import hashlib

import pytest
import tensorflow as tf

from common.errors import InputError
from components.image_example_gen.sources.tfrecord import TfrecordSource

IMAGES = [f"image {n}".encode() * (n + 1) for n in range(4)]


def feature(value):
    if isinstance(value, int):
        return {"int64_list": {"value": [value]}}
    return {"bytes_list": {"value": [value]}}


def write(path, *examples, compression=None):
    """Writes a record file with one tf.Example for each mapping from feature to value."""
    path.parent.mkdir(exist_ok=True)
    with tf.io.TFRecordWriter(str(path), compression) as writer:
        for example in examples:
            features = {"feature": {key: feature(value) for key, value in example.items()}}
            writer.write(tf.train.Example(features=features).SerializeToString())


def examples(image="image", label="label", labels=(b"cat", b"dog", b"cat", b"dog"), **more):
    return [{image: i, label: value, **more} for i, value in zip(IMAGES, labels, strict=True)]


@pytest.mark.parametrize("compression", [None, "GZIP"])
def test_images_are_listed_and_read(tmp_path, compression):
    suffix = ".gz" if compression else ""
    for n in (0, 1):
        path = tmp_path / "x" / f"data.tfrecord-{n:05}-of-00002{suffix}"
        write(path, *examples()[2 * n : 2 * n + 2], compression=compression)
    (tmp_path / "x" / "README").touch()
    source = TfrecordSource(str(tmp_path / "x"))
    source.prepare(tmp_path / "cache")
    assert source.classes() == ("cat", "dog")
    images = source.images()
    assert [image.label for image in images] == [0, 1, 0, 1]
    assert images[3].file_name == f"data.tfrecord-00001-of-00002{suffix}__1"
    assert [image.digest for image in images] == [hashlib.sha256(i).hexdigest() for i in IMAGES]
    assert [image.size for image in images] == list(map(len, IMAGES))
    asked = [images[3], images[0], images[2]]
    read = {image.file_name: image for image in source.read(asked)}
    assert [read[image.file_name].encoded for image in asked] == [IMAGES[3], IMAGES[0], IMAGES[2]]
    assert not any(image.error for image in read.values())
    again = TfrecordSource(str(tmp_path / "x"))
    again.prepare(tmp_path / "cache")
    assert again.images() == images


def test_common_and_given_names_of_features(tmp_path):
    common = {"image/encoded": b"i", "image/class/text": b"cat", "image/class/label": 7}
    other = {**common, "image/class/text": b"dog", "image/filename": b"1.jpg"}
    write(tmp_path / "a.tfrecord", {**common, "image/filename": b"0.jpg"}, other)
    source = TfrecordSource(str(tmp_path / "a.tfrecord"))
    assert source.classes() == ("cat", "dog")
    assert [image.file_name for image in source.images()] == ["0.jpg", "1.jpg"]
    write(tmp_path / "c.tfrecord", common | {"image/filename": b"1.jpg"}, other)
    images = TfrecordSource(str(tmp_path / "[ac].tfrecord")).images()
    assert [image.file_name for image in images] == [  # the name 1.jpg is not unique
        *("a.tfrecord__0", "a.tfrecord__1", "c.tfrecord__0", "c.tfrecord__1")
    ]
    write(tmp_path / "b.tfrecord", *examples("pixels", "kind"))
    names = {"image": "pixels", "label": "kind"}
    assert len(TfrecordSource(str(tmp_path / "b.tfrecord"), features=names).images()) == 4
    with pytest.raises(
        InputError, match=r"record 0 has the features kind, pixels; expected an encoded image in im"
    ):
        TfrecordSource(str(tmp_path / "b.tfrecord")).prepare()


def test_numeric_labels_are_names_or_indices_of_given_classes(tmp_path):
    write(tmp_path / "a.tfrecord", *examples(labels=(10, 2, 10, -1)))
    source = TfrecordSource(str(tmp_path / "a.tfrecord"))
    assert source.classes() == ("2", "10")
    assert [image.label for image in source.images()] == [1, 0, 1, -1]
    source = TfrecordSource(str(tmp_path / "a.tfrecord"), classes=["cat", "dog", "fox"])
    # With three classes, the index 10 is invalid, so ingestion will quarantine the image.
    assert [image.label for image in source.images()] == [10, 2, 10, -1]
    write(tmp_path / "b.tfrecord", *examples())
    with pytest.raises(InputError, match="found the class dog; expected one of"):
        TfrecordSource(str(tmp_path / "b.tfrecord"), classes=["cat", "fox"]).prepare()


def test_names_of_files_and_folders_determine_splits(tmp_path):
    for name in ("train-0.tfrecord", "test-0.tfrecord"):
        write(tmp_path / "x" / name, *examples())
    source = TfrecordSource(str(tmp_path / "x"))
    assert {image.split for image in source.images()} == {"train", "test"}
    for name in ("train", "eval"):  # as in an Examples artifact of TFX
        write(tmp_path / f"Split-{name}" / "data_tfrecord-00000", *examples())
    source = TfrecordSource(f"{tmp_path}/Split-*/*")
    assert {image.file_name.split("/")[0]: image.split for image in source.images()} == {
        "Split-train": "train",
        "Split-eval": "test",
    }
    write(tmp_path / "x" / "more.tfrecord", *examples())
    with pytest.raises(InputError, match=r"but more.tfrecord is not; expected a split in every"):
        TfrecordSource(str(tmp_path / "x")).check()
    splits = {"train": ["train*", "more*"], "validation": ["test*"]}
    source = TfrecordSource(str(tmp_path / "x"), splits)
    assert [image.split for image in source.images()] == ["train"] * 4 + ["validation"] * 4 + [
        "train"
    ] * 4


def test_files_that_are_damaged_or_missing(tmp_path):
    path = tmp_path / "a.tfrecord"
    write(path, *examples())
    source = TfrecordSource(str(path))
    first = source.images()[0]
    content = bytearray(path.read_bytes())
    content[content.index(IMAGES[0])] ^= 1
    path.write_bytes(content)
    (read,) = source.read([first])
    assert read.error.startswith("cannot be read: ")
    with pytest.raises(InputError, match=rf"{path} is damaged; expected TFRecords of tf.Examples"):
        TfrecordSource(str(path)).prepare()
    path.unlink()
    (read,) = source.read([first])
    assert read.error.startswith("cannot be read: ")
    with pytest.raises(InputError, match="found no record file; expected"):
        TfrecordSource(str(tmp_path)).check()
