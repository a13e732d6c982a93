import numpy as np
import pytest
import tensorflow as tf

from backbones.input_range import INPUT_RANGES, to_input_range


@pytest.mark.parametrize(
    ("name", "black", "white"),
    [
        ("-1,1", [-1, -1, -1], [1, 1, 1]),
        ("0,1", [0, 0, 0], [1, 1, 1]),
        ("0,255", [0, 0, 0], [255, 255, 255]),
        # With ImageNet's mean and std, torchvision.transforms.Normalize maps black (0) to the first
        # list, and white (1) to the second list.
        ("imagenet", [-2.1179, -2.0357, -1.8044], [2.2489, 2.4286, 2.6400]),
    ],
)
def test_black_and_white(name, black, white):
    images = tf.stack([tf.fill([2, 3, 3], -1.0), tf.fill([2, 3, 3], 1.0)])
    found = to_input_range(images, name)
    assert found.dtype == tf.float32
    np.testing.assert_allclose(found[0, 1, 2], black, atol=1e-3)
    np.testing.assert_allclose(found[1, 0, 0], white, atol=1e-3)


def test_all_ranges_are_tested_and_the_default_changes_nothing():
    assert set(INPUT_RANGES) == {"-1,1", "0,1", "0,255", "imagenet"}
    images = tf.zeros([1, 2, 2, 3])
    assert to_input_range(images, "-1,1") is images
