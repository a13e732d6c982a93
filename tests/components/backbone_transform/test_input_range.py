"""Tests of the warning about a wrong `backbone.input_range`."""

import numpy as np
import pytest
import tensorflow as tf

from components.backbone_transform.input_range import (
    MOST_IMAGES,
    is_clearly_better,
    nearest_has_same_class,
    read_balanced_sample,
    warn_of_input_range,
)
from tests.reusable_module import ReusableModule
from tests.trainer.small_training import write_records
from trainer.preprocessing import IMAGE, LABEL

SIZE, CLASSES = 8, 4


class Backbone(ReusableModule):
    """A backbone whose features vary with the grey value, but only for grey values above 0."""

    @tf.function(input_signature=[tf.TensorSpec([None, SIZE, SIZE, 3])])
    def __call__(self, images):
        grey = tf.clip_by_value(tf.reduce_mean(images, [1, 2, 3]), 0, 0.9)[:, tf.newaxis]
        centers = (tf.range(CLASSES, dtype=tf.float32) + 0.5) / CLASSES
        return tf.exp(-((grey - centers) ** 2) / 0.01)


@pytest.fixture(scope="module")
def backbone(tmp_path_factory):
    directory = tmp_path_factory.mktemp("backbone")
    tf.saved_model.save(Backbone(), str(directory))
    return str(directory)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Returns two shards of grey images, whose mean shade depends on the class."""
    folder = tmp_path_factory.mktemp("examples")
    generator = np.random.default_rng(0)
    for shard in range(2):
        examples = []
        for index in range(24):
            label = index % CLASSES
            shade = 255 * (label + 0.5) / CLASSES + generator.normal() * 12
            pixels = np.full([9, 9, 3], np.clip(shade, 0, 255), np.uint8)
            examples.append({IMAGE: tf.io.encode_png(pixels).numpy(), LABEL: label})
        write_records(folder / f"train-{shard}.gz", examples)
    return [str(file) for file in folder.iterdir()]


def test_a_wrong_range_is_named_with_the_remedy(backbone, files):
    warning = warn_of_input_range(backbone, files, "-1,1")
    assert "backbone.input_range=-1,1 is probably not the range" in warning
    assert "of 48 training images" in warning
    assert warning.endswith("Try --set backbone.input_range=0,1")


def test_the_right_range_gives_no_warning(backbone, files):
    assert warn_of_input_range(backbone, files, "0,1") == ""


def test_a_single_class_gives_no_warning(backbone, tmp_path):
    image = tf.io.encode_png(np.zeros([9, 9, 3], np.uint8)).numpy()
    write_records(tmp_path / "train", [{IMAGE: image, LABEL: 0}] * 3)
    assert warn_of_input_range(backbone, [str(tmp_path / "train")], "-1,1") == ""


def test_classes_are_read_in_equal_numbers(tmp_path):
    """The check reads equal numbers of images per class, even from shards sorted by class."""
    examples = [{IMAGE: b"%d" % i, LABEL: int(i >= 300)} for i in range(400)]
    write_records(tmp_path / "train", examples)
    images, labels = read_balanced_sample([str(tmp_path / "train")])
    assert len(images) == MOST_IMAGES
    assert list(np.bincount(labels)) == [100, 100]


def test_nearest_neighbours():
    features = np.array([[1, 0], [1, 0.1], [0, 1], [0.1, 1], [1, 0.2]], np.float32)
    found = nearest_has_same_class(features, np.array([0, 0, 1, 1, 1]))
    assert list(found) == [True, True, True, True, False]


@pytest.mark.parametrize(
    ("gained", "lost", "count", "expected"),
    [(6, 1, 52, True), (5, 5, 52, False), (2, 0, 52, False), (20, 12, 200, False), (9, 0, 200, 0)],
)
def test_clearly_better(gained, lost, count, expected):
    one, other = np.zeros(count, bool), np.zeros(count, bool)
    one[:gained] = True
    other[gained : gained + lost] = True
    assert is_clearly_better(one, other) == bool(expected)
