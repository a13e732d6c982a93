import numpy as np
import PIL.Image
import pytest
import tensorflow as tf

from tests.conftest import encode, gradient
from trainer.input.augment.crop import inception_crop
from trainer.preprocessing import decode

crop = tf.function(inception_crop)


def coordinates(height, width):
    """Returns an image of at most 256 x 256 pixels. The red value of a pixel is the number of its
    column, and the green value is the number of its row."""
    rows, columns = np.mgrid[0:height, 0:width].astype(np.uint8)
    return PIL.Image.fromarray(np.stack([columns, rows, rows * 0], axis=-1))


def window(height, width, seed, area):
    """Crops a test image; returns the top, left, height and width of the window."""
    image = crop(encode(coordinates(height, width), "PNG"), tf.constant(seed), area).numpy()
    left, top = image[0, 0, :2].astype(int)
    expected = np.asarray(coordinates(height, width))
    h, w = image.shape[:2]
    np.testing.assert_array_equal(image, expected[top : top + h, left : left + w])
    return top, left, h, w


def test_windows_lie_in_the_image_and_within_the_bounds():
    windows = np.array([window(120, 200, [3, index], 0.3) for index in range(150)])
    top, left, height, width = windows.T
    assert np.all((top + height <= 120) & (left + width <= 200))
    share = height * width / (120 * 200)
    # The bounds have a margin, because rounding a window of 60 pixels to whole pixels changes its
    # area and its aspect ratio by 2 %.
    assert 0.29 < share.min() < 0.33
    assert share.max() > 0.6  # the largest window with an allowed ratio has 0.8 of the image's area
    ratio = width / height
    assert 0.73 < ratio.min() < 0.78
    assert 1.29 < ratio.max() < 1.36
    assert top.min() == 0
    assert (top + height).max() == 120
    assert left.min() < 5
    assert (left + width).max() > 195


def test_the_smallest_area_is_reached():
    shares = [np.prod(window(100, 100, [5, index], 0.05)[2:]) / 1e4 for index in range(100)]
    assert 0.045 < min(shares) < 0.1
    assert max(shares) > 0.7


@pytest.mark.parametrize("format", ["JPEG", "PNG", "GIF"])
def test_the_crop_is_a_window_of_the_decoded_image(format):
    encoded = encode(gradient(120, 200), format)
    for index in range(5):
        top, left, height, width = window(120, 200, [7, index], 0.1)
        expected = decode(tf.constant(encoded))[top : top + height, left : left + width]
        image = crop(encoded, tf.constant([7, index]), 0.1)
        assert image.dtype == tf.uint8
        assert_same_but_for_chroma_at_the_edge(image, expected, exact=format != "JPEG")


def test_the_crop_of_a_real_image(real_images):
    for path in real_images[::60]:
        encoded = path.read_bytes()
        if not encoded.startswith(b"\xff\xd8\xff"):
            continue
        whole = decode(tf.constant(encoded))
        again = encode(PIL.Image.fromarray(whole.numpy()), "PNG")
        seed = tf.constant([1, 2])
        fused, decoded = crop(encoded, seed, 0.1), crop(again, seed, 0.1)
        difference = np.abs(fused.numpy().astype(int) - decoded.numpy())
        assert np.mean(difference > 1) < 0.02


def assert_same_but_for_chroma_at_the_edge(image, expected, *, exact):
    image, expected = image.numpy().astype(int), expected.numpy().astype(int)
    assert image.shape == expected.shape
    if exact:
        np.testing.assert_array_equal(image, expected)
    else:
        # The decoder may interpolate the chroma of a JPEG from pixels outside the window, so the
        # values at the edge of the window may differ.
        assert np.abs(image - expected)[2:-2, 2:-2].max() <= 1
        assert np.abs(image - expected).max() <= 16


def test_the_whole_image_where_no_window_fits():
    image = gradient(4, 200)
    for format in ("PNG", "JPEG"):
        assert crop(encode(image, format), tf.constant([0, 0]), 0.9).shape == (4, 200, 3)


def test_an_image_of_one_pixel():
    encoded = encode(PIL.Image.new("RGB", (1, 1), "red"), "PNG")
    np.testing.assert_array_equal(crop(encoded, tf.constant([0, 0]), 0.05), [[[255, 0, 0]]])
