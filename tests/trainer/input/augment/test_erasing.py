import numpy as np
import tensorflow as tf

from trainer.input.augment.erasing import erase

HEIGHT, WIDTH = 48, 64
IMAGE = tf.fill([HEIGHT, WIDTH, 3], 2.0)  # the noise never has this value

erased = tf.function(erase)


def boxes(count, probability):
    """Erases a box in `count` images; returns masks of the erased pixels, bool [count, H, W]."""
    images = [erased(IMAGE, tf.constant([1, index]), probability) for index in range(count)]
    return np.any(np.stack(images) != 2.0, axis=-1)


def test_the_erased_box_has_the_given_share():
    masks = boxes(300, 1.0)
    shares = masks.mean(axis=(1, 2))
    assert np.all((shares > 0.015) & (shares < 0.345))
    assert abs(shares.mean() - 0.175) < 0.021  # 0.021 is 4 standard errors
    for mask in masks:
        rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
        height, width = np.ptp(rows) + 1, np.ptp(columns) + 1
        assert mask.sum() == height * width
        # Rounding to whole pixels slightly changes the ratio of the height to the width.
        assert 0.25 < height / width < 3.9
    # Nearly every pixel position, even in a corner, is erased in at least one of the images.
    assert masks.any(axis=0).mean() > 0.99
    assert masks.mean(axis=0).max() < 0.5


def test_images_are_erased_with_the_given_probability():
    share = boxes(300, 0.25).any(axis=(1, 2)).mean()
    assert abs(share - 0.25) < 0.1
    assert not boxes(50, 0.0).any()


def test_noise_is_uniform_and_the_rest_untouched():
    image = erased(IMAGE, tf.constant([1, 1]), 1.0).numpy()
    noise = image[image != 2.0]
    assert noise.min() >= -1
    assert noise.max() < 1
    assert abs(noise.mean()) < 0.1
    assert abs(noise.std() - 3**-0.5) < 0.05


def test_seeds():
    images = [erased(IMAGE, tf.constant([1, index]), 1.0).numpy() for index in range(10)]
    assert len({one.tobytes() for one in images}) == 10
    np.testing.assert_array_equal(erased(IMAGE, tf.constant([1, 3]), 1.0), images[3])
