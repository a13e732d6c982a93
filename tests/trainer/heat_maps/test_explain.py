"""Tests of heat maps from occlusion, and of the time limit for heat maps of exported models."""

import io

import numpy as np
import PIL.Image
import pytest
import tensorflow as tf

from trainer.heat_maps.explain import OCCLUSION, explain
from trainer.heat_maps.occlusion import OcclusionMaps

SIDE = 32


def to_probabilities(images):
    """A model whose probability of class 1 grows with the brightness of the upper left quarter."""
    odds = 4 * np.mean(np.asarray(images)[:, : SIDE // 2, : SIDE // 2], (1, 2, 3))
    right = 1 / (1 + np.exp(-odds))
    return np.stack([1 - right, right], 1).astype(np.float32)


def bright_quarter():
    image = np.full([SIDE, SIDE, 3], -1, np.float32)
    image[: SIDE // 2, : SIDE // 2] = 1
    return image


def test_covering_the_bright_quarter_lowers_the_odds():
    make_map = OcclusionMaps(to_probabilities, lambda: None)
    values = make_map(bright_quarter(), 1)
    assert values.shape == (8, 8)
    assert values[:4, :4].min() > 0
    assert values[5:, 5:].max() == 0
    # no part of the image supports class 0, so covering a part never lowers the odds of class 0
    assert make_map(bright_quarter(), 0).max() == 0


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """Loads a SavedModel that has the signature `from_pixels`, but is not a Vision Transformer."""
    directory = str(tmp_path_factory.mktemp("model"))
    kernel = np.array([[-1.0, 1.0]] * 3, np.float32)

    @tf.function(input_signature=[tf.TensorSpec([None, SIDE, SIDE, 3], tf.float32, name="images")])
    def from_pixels(images):
        mean = tf.reduce_mean(images[:, : SIDE // 2, : SIDE // 2], [1, 2])
        return {"probabilities": tf.nn.softmax(mean @ kernel)}

    tf.saved_model.save(tf.Module(), directory, signatures={"from_pixels": from_pixels})
    return tf.saved_model.load(directory)


@pytest.fixture(scope="module")
def images():
    file = io.BytesIO()
    pixels = ((bright_quarter() + 1) * 127.5).astype(np.uint8)
    PIL.Image.fromarray(pixels).save(file, "JPEG", quality=95)
    return [(f"{number}.jpg", file.getvalue(), 1) for number in range(10)]


class Clock:
    """A clock that advances by `step` seconds each time it is read."""

    def __init__(self, step: float) -> None:
        self.time, self.step = 0.0, step

    def __call__(self) -> float:
        self.time += self.step
        return self.time


def test_each_image_gets_a_map(model, images):
    maps = list(explain(model, images, 1e6))
    assert [found.file for found in maps] == [name for name, _, _ in images]
    assert {found.method for found in maps} == {OCCLUSION}
    for found in maps:
        assert (found.values.min(), found.values.max()) == (0, 1)
        assert np.unravel_index(found.values.argmax(), (8, 8)) < (4, 4)


def test_an_image_is_started_only_if_the_time_suffices(model, images):
    """For each image, `explain` reads the clock at the start, before each of 7 batches, and at the
    end. The clock advances by 1 s each time, so an image takes 8 s."""
    clock = Clock(1.0)
    maps = list(explain(model, images, 30.0, now=clock))
    assert [found.file for found in maps] == ["0.jpg", "1.jpg", "2.jpg"]
    assert clock.time <= 31


def test_an_image_that_takes_too_long_is_given_up(model, images):
    clock = Clock(1.0)
    assert list(explain(model, images, 4.0, now=clock)) == []
    assert clock.time <= 6
