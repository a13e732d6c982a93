"""Tests of BackboneTransform's executor, with a backbone that returns its batch size."""

import json
import shutil
from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf
from tfx.types import standard_artifacts

from backbones.contract import load_shared_backbone
from common.custom_config import to_custom_config
from components.backbone_transform.executor import Executor
from tests.conftest import encode, gradient
from tests.reusable_module import ReusableModule
from tests.trainer.small_training import write_records
from trainer.preprocessing import CHUNK, FEATURES, IMAGE, LABEL, decode_images
from trainer.transform_settings import TransformSettings

SIZE = 8


class Backbone(ReusableModule):
    """A backbone whose features show how the executor calls it.

    The features of an image are the mean of its pixels, the batch size, and the number of images in
    the batch whose pixels are not all equal. `__call__` has no argument `training`, because a
    backbone need not have one.
    """

    @tf.function(input_signature=[tf.TensorSpec([None, SIZE, SIZE, 3])])
    def __call__(self, images):
        means = tf.reduce_mean(images, [1, 2, 3])
        images_in_batch = tf.math.count_nonzero(tf.math.reduce_std(images, [1, 2, 3]) > 1e-3)
        sizes = [
            tf.fill(tf.shape(means), tf.cast(n, tf.float32))
            for n in (tf.shape(images)[0], images_in_batch)
        ]
        return tf.stack([means, *sizes], axis=1)


def artifact_of(kind, folder):
    folder.mkdir()
    artifact = kind()
    artifact.uri = str(folder)
    return artifact


def read_features(split):
    """Returns the features of the images of a split, float32 [B, 3], sorted by label."""
    spec = {
        FEATURES: tf.io.FixedLenFeature([3], tf.float32),
        LABEL: tf.io.FixedLenFeature([], tf.int64),
    }
    records = tf.data.TFRecordDataset([str(file) for file in split.iterdir()], "GZIP")
    examples = [tf.io.parse_single_example(record, spec) for record in records]
    examples.sort(key=lambda example: int(example[LABEL]))
    return np.stack([example[FEATURES] for example in examples])


@pytest.fixture(scope="module")
def transformed(project, tmp_path_factory):
    """Transforms three images; returns their features and the number of loads of the backbone."""
    folder = tmp_path_factory.mktemp("transform")
    backbone = artifact_of(standard_artifacts.Model, folder / "backbone")
    tf.saved_model.save(Backbone(), backbone.uri)
    schema = artifact_of(standard_artifacts.Schema, folder / "schema")
    shutil.copy(project / "schemas" / "digits.pbtxt", folder / "schema" / "schema.pbtxt")
    examples = artifact_of(standard_artifacts.Examples, folder / "examples")
    examples.split_names = json.dumps(["train"])
    images = [encode(gradient(20 + index, 30), "PNG") for index in range(3)]
    (folder / "examples" / "Split-train").mkdir()
    write_records(
        folder / "examples" / "Split-train" / "data.gz",
        [{IMAGE: image, LABEL: label, "file_name": b"a"} for label, image in enumerate(images)],
    )
    (folder / "examples" / "counts.json").write_text('{"by_label": {}}')
    outputs = {
        "transform_graph": [artifact_of(standard_artifacts.TransformGraph, folder / "graph")],
        "transformed_examples": [artifact_of(standard_artifacts.Examples, folder / "transformed")],
    }
    settings = TransformSettings(
        tune="head", code_fingerprint="", input_range="0,1", check_input_range=True
    )
    with pytest.MonkeyPatch.context() as patch:
        load, loaded = tf.saved_model.load, []

        def counting_load(directory, *arguments, **options):
            loaded.append(directory)
            return load(directory, *arguments, **options)

        patch.setattr(tf.saved_model, "load", counting_load)
        Executor().Do(
            {"examples": [examples], "schema": [schema], "backbone": [backbone]},
            outputs,
            {
                "preprocessing_fn": "trainer.preprocessing.preprocessing_fn",
                "splits_config": json.dumps({"analyze": ["train"], "transform": ["train"]}),
                "custom_config": to_custom_config(settings),
                "disable_statistics": 1,
            },
        )
    return SimpleNamespace(
        images=images,
        features=read_features(folder / "transformed" / "Split-train"),
        backbone=backbone.uri,
        loads=loaded.count(backbone.uri),
        counts=(folder / "transformed" / "counts.json").read_text(),
    )


def test_the_backbone_is_loaded_once(transformed):
    """TFX traces `preprocessing_fn` several times, but the executor loads the backbone once."""
    assert transformed.loads == 1


def test_the_counts_of_images_are_copied(transformed):
    assert transformed.counts == '{"by_label": {}}'


def test_the_backbone_is_released_after_the_transform(transformed):
    again = [load_shared_backbone(transformed.backbone) for _ in range(2)]
    assert again[0] is not again[1]


def test_features_of_each_image_are_written(transformed):
    pixels = decode_images(tf.constant(transformed.images), SIZE, SIZE)
    means = np.mean(pixels, axis=(1, 2, 3)) / 2 + 0.5  # the backbone gets pixels in [0, 1]
    np.testing.assert_allclose(transformed.features[:, 0], means, rtol=0, atol=1e-6)


def test_the_backbone_gets_full_batches(transformed):
    """Beam passes a batch of three images, which the transform graph pads to `CHUNK` images."""
    np.testing.assert_array_equal(transformed.features[:, 1:], [[CHUNK, 3]] * 3)
