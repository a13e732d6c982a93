import numpy as np
import PIL.Image
import PIL.ImageOps
import pytest
import tensorflow as tf

from trainer.input.augment.tone import (
    auto_contrast,
    equalize,
    invert,
    posterize,
    solarize,
    solarize_add,
)


def as_float(pil_image):
    return tf.constant(np.asarray(pil_image), tf.float32)


@pytest.mark.parametrize(
    ("ours", "pillows"),
    [
        (invert, PIL.ImageOps.invert),
        (equalize, PIL.ImageOps.equalize),
        *(
            (lambda i, b=bits: posterize(i, b), lambda i, b=bits: PIL.ImageOps.posterize(i, b))
            for bits in (1, 4, 8)
        ),
        *(
            (lambda i, t=limit: solarize(i, t), lambda i, t=limit: PIL.ImageOps.solarize(i, t))
            for limit in (0, 100, 256)
        ),
    ],
)
def test_results_are_those_of_pillow(pil_image, ours, pillows):
    np.testing.assert_array_equal(ours(as_float(pil_image)), np.asarray(pillows(pil_image)))


def test_auto_contrast_as_pillow(pil_image):
    expected = np.asarray(PIL.ImageOps.autocontrast(pil_image), np.float32)
    # Pillow rounds the result down. `auto_contrast` does not round, so a value that it returns can
    # be up to 1 greater than Pillow's value.
    np.testing.assert_allclose(auto_contrast(as_float(pil_image)), expected + 0.5, atol=0.51)


def test_solarize_add():
    image = tf.constant([[[0, 127, 128]], [[100, 255, 40]]], tf.float32)
    expected = [[[110, 237, 128]], [[210, 255, 150]]]
    np.testing.assert_array_equal(solarize_add(image, 110), expected)
    np.testing.assert_array_equal(solarize_add(image, 0), image)
    assert solarize_add(image, 255).numpy().max() == 255


@pytest.mark.parametrize("operation", [auto_contrast, equalize])
def test_a_channel_of_one_value_stays(operation):
    values = np.random.default_rng(0).integers(50, 60, [8, 8, 3])
    values[..., 1] = 200
    values[..., 2] = 0
    result = operation(tf.constant(values, tf.float32)).numpy()
    np.testing.assert_array_equal(result[..., 1:], values[..., 1:])
    assert (result[..., 0].min(), result[..., 0].max()) == (0, 255) or operation is equalize


def test_equalize_rounds():
    image = tf.constant(np.random.default_rng(0).uniform(0, 255, [32, 32, 3]), tf.float32)
    np.testing.assert_array_equal(equalize(image), equalize(tf.floor(image + 0.5)))
