import io

import numpy as np
import PIL.Image
import pytest
import tensorflow as tf

from tests.conftest import encode, gradient
from trainer.preprocessing import (
    CHUNK,
    FrozenBackbone,
    _in_chunks,
    _with_full_batch,
    decode,
    decode_images,
    resize,
    value_range,
)


@pytest.mark.parametrize("format", ["JPEG", "PNG", "GIF"])
def test_decode(format):
    encoded = encode(gradient(), format)
    expected = np.asarray(PIL.Image.open(io.BytesIO(encoded)).convert("RGB"), np.int32)
    image = decode(tf.constant(encoded)).numpy()
    assert image.dtype == np.uint8
    assert np.abs(image - expected).max() <= 4  # Pillow and TensorFlow upsample chroma differently


def test_resize_is_bilinear_with_half_pixel_centers_and_no_antialiasing():
    row = tf.constant([[[0], [0], [0], [100], [100], [0], [0], [0]]], tf.uint8)
    image = tf.repeat(tf.repeat(row, 8, axis=0), 3, axis=2)
    # Output pixel i is the mean of the input pixels 2 i and 2 i + 1.
    np.testing.assert_allclose(resize(image, 4, 4)[0, :, 0], [0, 50, 50, 0])


def test_value_range():
    np.testing.assert_allclose(value_range(tf.constant([0.0, 127.5, 255.0])), [-1, 0, 1])


def test_a_batch_of_different_sizes_and_formats():
    encoded = [encode(gradient(h, w), f) for h, w, f in [(8, 9, "PNG"), (30, 20, "JPEG")]]
    pixels = decode_images(tf.constant(encoded), 12, 16)
    assert pixels.shape == (2, 12, 16, 3)
    assert pixels.dtype == tf.float32
    assert -1 <= tf.reduce_min(pixels) < tf.reduce_max(pixels) <= 1


def test_an_empty_batch():
    assert decode_images(tf.constant([], tf.string), 12, 16).shape == (0, 12, 16, 3)


@pytest.mark.parametrize("batch", [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK])
def test_chunks_give_the_same_features_as_the_whole_batch(batch):
    def features(chunk):
        tf.debugging.assert_less_equal(tf.size(chunk), CHUNK)
        return tf.strings.to_number(chunk)[:, None] * [[1.0, 2.0]]

    encoded = tf.constant([str(index) for index in range(batch)], tf.string, shape=[batch])
    result = tf.function(lambda batch: _in_chunks(features, batch, 2))(encoded)
    np.testing.assert_array_equal(result, np.arange(batch)[:, None] * [[1.0, 2.0]])


@pytest.mark.parametrize("batch", [0, 1, 3, CHUNK])
def test_a_backbone_gets_full_batches(batch):
    """`_with_full_batch` pads a batch to `CHUNK` images, and returns the features of each real
    image."""

    def features(images):
        tf.debugging.assert_equal(tf.shape(images)[0], CHUNK)
        return images[:, 0, 0, :1]

    numbers = np.arange(batch, dtype=np.float32)
    images = tf.constant(np.broadcast_to(numbers[:, None, None, None], [batch, 4, 5, 3]))
    result = tf.function(lambda images: _with_full_batch(features, images))(images)
    np.testing.assert_array_equal(result[:, 0], numbers)


def test_features_do_not_depend_on_the_batch(tiny_backbone):
    encoded = np.array([encode(gradient(20 + index, 30), "PNG") for index in range(CHUNK)])
    features = FrozenBackbone(str(tiny_backbone), "-1,1").from_bytes
    expected = features(encoded).numpy()
    for batch in (1, 2, 3, 5, 17):
        np.testing.assert_array_equal(features(encoded[-batch:]), expected[-batch:])
