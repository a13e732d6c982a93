import numpy as np
import tensorflow as tf

from trainer.input.augment.color_jitter import color_jitter

jitter = tf.function(color_jitter)


def test_range_and_seeds(pil_image):
    image = tf.constant(np.asarray(pil_image), tf.float32)
    images = [jitter(image, tf.constant([1, index]), 0.8).numpy() for index in range(30)]
    assert all(one.min() >= 0 and one.max() <= 255 for one in images)
    assert len({one.tobytes() for one in images}) == 30
    np.testing.assert_array_equal(jitter(image, tf.constant([1, 3]), 0.8), images[3])


def test_a_grey_image_becomes_uniformly_lighter_or_darker():
    """Contrast and saturation do not change a grey image, but brightness does."""
    image = tf.fill([4, 4, 3], 100.0)
    values = np.array(
        [jitter(image, tf.constant([1, index]), 0.4)[0, 0, 0] for index in range(400)]
    )
    assert np.all((values >= 59) & (values <= 141))
    assert values.min() < 63
    assert values.max() > 137
    assert abs(values.mean() - 100) < 4  # 4 is 3.5 standard errors of the mean


def test_a_tiny_strength_changes_little(pil_image):
    image = tf.constant(np.asarray(pil_image), tf.float32)
    np.testing.assert_allclose(jitter(image, tf.constant([1, 2]), 1e-3), image, atol=1.0)
