import numpy as np
import PIL.ImageEnhance
import pytest
import tensorflow as tf

from trainer.input.augment.enhance import brightness, color, contrast, sharpness

PILLOWS = {
    brightness: PIL.ImageEnhance.Brightness,
    contrast: PIL.ImageEnhance.Contrast,
    color: PIL.ImageEnhance.Color,
    sharpness: PIL.ImageEnhance.Sharpness,
}


@pytest.mark.parametrize("factor", [0.0, 0.1, 0.5, 1.0, 1.9, 3.0])
@pytest.mark.parametrize("operation", PILLOWS)
def test_results_are_those_of_pillow(pil_image, operation, factor):
    image = tf.constant(np.asarray(pil_image), tf.float32)
    expected = np.asarray(PILLOWS[operation](pil_image).enhance(factor), np.float32)
    result = operation(image, factor)
    assert result.shape == image.shape
    # Pillow rounds the degraded image to whole numbers, blends it with the image, and rounds the
    # blend down.
    np.testing.assert_allclose(result, expected + 0.5, atol=0.5 + 0.6 * max(1, abs(factor - 1)))


@pytest.mark.parametrize("operation", PILLOWS)
def test_a_factor_of_1_changes_nothing(pil_image, operation):
    image = tf.constant(np.asarray(pil_image), tf.float32)
    np.testing.assert_array_equal(operation(image, 1.0), image)


@pytest.mark.parametrize("size", [(2, 2), (2, 5), (3, 3)])
def test_small_images_can_be_sharpened(size):
    image = tf.random.stateless_uniform([*size, 3], [1, 2], 0.0, 255.0)
    assert sharpness(image, 1.5).shape == image.shape
