"""Tests of the executors of the data check, on the files that other nodes write."""

import functools
import json

import numpy as np
import pytest
import tensorflow as tf
from tfx.types import standard_artifacts

from common.image_counts import VARIABLE, read_image_count
from components.data_check import executor, full_executor
from components.data_check.features import FeatureReader
from components.data_check.issues import EXAMINED_FILE, FEATURE_KINDS, FILE, LEAK
from tests.components.data_check.test_issues import draw, encode
from trainer.preprocessing import CHUNK, FEATURES, IMAGE_HASH, FrozenBackbone, hash_images

CLASSES = ["cat", "dog"]
RANGE = "-1,1"


@functools.cache
def images(split):
    """Returns encoded images: 40 of the training split, 4 of the test split."""
    if split == "train":
        return [encode(draw(seed)) for seed in range(CHUNK + 8)]
    return [encode(draw(seed)) for seed in (100, 101, 102)] + [encode(draw(0), quality=60)]


def write_records(directory, records):
    directory.mkdir(parents=True)
    with tf.io.TFRecordWriter(str(directory / "data.gz"), "GZIP") as writer:
        for feature in records:
            example = tf.train.Example(features=tf.train.Features(feature=feature))
            writer.write(example.SerializeToString())
    return str(directory)


def to_bytes(value):
    return tf.train.Feature(bytes_list=tf.train.BytesList(value=[value]))


def to_int(value):
    return tf.train.Feature(int64_list=tf.train.Int64List(value=[value]))


def write_split(root, split):
    """Writes examples as ImageExampleGen does."""
    records = (
        {
            "image": to_bytes(image),
            "label": to_int(index % 2),
            "file_name": to_bytes(f"{split}/{index}.jpg".encode()),
        }
        for index, image in enumerate(images(split))
    )
    return write_records(root / f"Split-{split}", records)


@pytest.fixture(scope="module")
def examples(tmp_path_factory):
    artifact = standard_artifacts.Examples()
    root = tmp_path_factory.mktemp("examples")
    artifact.uri, artifact.split_names = str(root), '["train", "test"]'
    for split in ("train", "test"):
        write_split(root, split)
    return artifact


def run(node, examples, directory, inputs=(), **properties):
    issues = standard_artifacts.ExampleAnomalies()
    issues.uri = str(directory / "issues")
    (directory / "issues").mkdir()
    node().Do(
        {executor.EXAMPLES: [examples], **dict(inputs)},
        {executor.ISSUES: [issues]},
        {"classes": json.dumps(CLASSES), "max_leak": 1.0, **properties},
    )
    lines = (directory / "issues" / FILE).read_text().splitlines()
    examined = json.loads((directory / "issues" / EXAMINED_FILE).read_text())
    return [json.loads(line) for line in lines], examined


@pytest.fixture
def counts(tmp_path, monkeypatch):
    """Returns the directory into which executors write their counts of images."""
    directory = tmp_path / "counts"
    directory.mkdir()
    monkeypatch.setenv(VARIABLE, str(directory))
    return directory


def test_the_fast_check_counts_each_image_once(examples, tmp_path, counts):
    issues, examined = run(executor.Executor, examples, tmp_path)
    assert read_image_count(counts) == len(images("train")) + len(images("test"))
    (leak,) = (issue for issue in issues if issue["kind"] == LEAK)
    assert {leak["file_name"], leak["other"]} == {"test/3.jpg", "train/0.jpg"}
    assert not {*FEATURE_KINDS} & {*examined}


def test_the_full_check_counts_each_image_once(examples, tmp_path, counts, tiny_backbone):
    backbone = standard_artifacts.Model()
    backbone.uri = str(tiny_backbone)
    issues, examined = run(
        full_executor.Executor,
        examples,
        tmp_path,
        {full_executor.BACKBONE: [backbone]},
        input_range=RANGE,
    )
    assert read_image_count(counts) == len(images("train")) + len(images("test"))
    assert any(issue["kind"] == LEAK for issue in issues)
    assert {*FEATURE_KINDS} <= {*examined}


def test_the_backbone_computes_only_features_that_transform_has_not(tmp_path, tiny_backbone):
    train, test = images("train")[:3], images("test")[:2]
    planted = np.arange(3 * 16, dtype=np.float32).reshape(3, 16)
    transformed = write_records(
        tmp_path / "Split-train",
        (
            {
                FEATURES: tf.train.Feature(float_list=tf.train.FloatList(value=row)),
                IMAGE_HASH: to_int(image_hash),
            }
            for row, image_hash in zip(planted, hash_images(train).numpy().tolist(), strict=True)
        ),
    )
    reader = FeatureReader([transformed], str(tiny_backbone), RANGE)
    features = reader.read([test[0], *train, test[1]])
    frozen = FrozenBackbone(str(tiny_backbone), RANGE)
    np.testing.assert_array_equal(features[1:4], planted)
    np.testing.assert_array_equal(features[[0, 4]], frozen.from_bytes(tf.constant(test)).numpy())
