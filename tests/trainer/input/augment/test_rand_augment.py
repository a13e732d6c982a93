import numpy as np
import PIL.ImageOps
import pytest
import tensorflow as tf

from tests.conftest import gradient
from trainer.input.augment.rand_augment import operations, rand_augment

NAMES = operations(10, 1.0)
DIRECTED = ("Rotate", "ShearX", "ShearY", "TranslateX", "TranslateY")


@pytest.fixture
def image(pil_image):
    return tf.constant(np.asarray(pil_image), tf.float32)


@pytest.mark.parametrize("magnitude", [0, 5, 10, 15, 30])
def test_range_shape_and_type(image, magnitude):
    for sign in (-1.0, 1.0):
        for operation in operations(magnitude, sign).values():
            result = operation(image)
            assert result.shape == image.shape
            assert result.dtype == tf.float32
            assert np.all((result >= 0) & (result <= 255))


def test_the_strength_of_operations(pil_image, image):
    """The expected strengths are those of big_vision's code at the magnitudes 0 and 10."""

    def pillow(expected):
        return np.asarray(expected, np.float32)

    weakest, strongest = operations(0, 1.0), operations(10, 1.0)
    np.testing.assert_array_equal(
        strongest["Posterize"](image), pillow(PIL.ImageOps.posterize(pil_image, 4))
    )
    np.testing.assert_array_equal(weakest["Solarize"](image), 255 - image)
    np.testing.assert_array_equal(strongest["Solarize"](image), image)
    np.testing.assert_array_equal(weakest["SolarizeAdd"](image), image)
    dark = image.numpy() < 128
    added = strongest["SolarizeAdd"](image) - image
    np.testing.assert_array_equal(added, np.where(dark, 110, 0))
    np.testing.assert_allclose(weakest["Brightness"](image), 0.1 * image, rtol=1e-5)
    np.testing.assert_allclose(
        strongest["Brightness"](image), np.minimum(1.9 * image, 255), rtol=1e-5
    )
    for name in DIRECTED:
        np.testing.assert_array_equal(weakest[name](image), image)


@pytest.mark.parametrize("name", ["Color", "Contrast", "Brightness", "Sharpness"])
def test_magnitude_5_enhances_nothing(image, name):
    np.testing.assert_allclose(operations(5, 1.0)[name](image), image, atol=1e-3)


@pytest.mark.parametrize("magnitude", [20, 30])
def test_posterize_ends_at_the_image(image, magnitude):
    np.testing.assert_array_equal(operations(magnitude, 1.0)["Posterize"](image), image)


def test_every_operation_is_drawn_with_both_signs_and_repeats():
    image = tf.constant(np.asarray(gradient(12, 16)), tf.float32)
    results = {
        (name, sign): operations(10, sign)[name](image).numpy()
        for name in NAMES
        for sign in (-1.0, 1.0)
    }
    draw = tf.function(lambda seed: rand_augment(image, seed, layers=1, magnitude=10))
    images = [draw(tf.constant([0, index])).numpy() for index in range(450)]
    np.testing.assert_array_equal(draw(tf.constant([0, 7])), images[7])
    for (name, _), result in results.items():
        count = sum(np.allclose(result, one, atol=1e-3) for one in images)
        if name in DIRECTED:
            assert 3 <= count <= 32  # the expected count is 15
        else:
            # the expected count is 30, or more if another operation returns the same image
            assert count >= 12


def test_two_layers_apply_two_operations():
    image = tf.constant(np.asarray(gradient(12, 16)), tf.float32)
    draw = tf.function(lambda seed: rand_augment(image, seed, layers=2, magnitude=7))
    images = {draw(tf.constant([1, index])).numpy().tobytes() for index in range(40)}
    assert len(images) > 20  # one layer returns at most 20 different images
