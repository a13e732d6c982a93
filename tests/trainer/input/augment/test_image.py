import dataclasses
import functools

import numpy as np
import pytest
import tensorflow as tf

from tests.conftest import encode, gradient
from trainer.input.augment.image import augment_image
from trainer.input.augmentation import Augmentation
from trainer.preprocessing import decode_images

SIZE = (32, 48)
GEOMETRY = Augmentation(crop_area=0.05, flip=True, erasing=1.0)
EVERYTHING = Augmentation(
    crop_area=0.05,
    flip=True,
    randaugment_layers=1,
    randaugment_magnitude=15.0,
    color_jitter=0.4,
    erasing=0.5,
    mixup=0.8,
    cutmix=1.0,
)
FILES = [
    encode(gradient(40 + index, 70 - index), format)
    for index, format in enumerate(["JPEG", "PNG", "GIF"] * 8)
]


@functools.cache
def make_augment(augmentation):
    """Returns `augment_image` as a traced function of the encoded image and the seed."""
    signature = [tf.TensorSpec([], tf.string), tf.TensorSpec([2], tf.int64)]
    return tf.function(
        lambda encoded, seed: augment_image(encoded, seed, *SIZE, augmentation),
        input_signature=signature,
    )


def images(augmentation, files=FILES, *, seed=0, order=None, parallel=1):
    """Augments the images `files`, in the order of the indices `order`.

    The seed of the image at `index` is [seed, index].

    Returns:
      The augmented images, always in the order of `files`, float32 [B, H, W, 3].
    """
    order = np.arange(len(files)) if order is None else order
    seeds = np.stack([np.full_like(order, seed), order], axis=1)
    dataset = tf.data.Dataset.from_tensor_slices(([files[index] for index in order], seeds))
    dataset = dataset.map(make_augment(augmentation), num_parallel_calls=parallel)
    assert dataset.element_spec == tf.TensorSpec([*SIZE, 3], tf.float32)
    return np.stack(list(dataset))[np.argsort(order)]


def test_the_default_is_the_preprocessing_of_serving():
    np.testing.assert_array_equal(images(Augmentation()), decode_images(tf.constant(FILES), *SIZE))


def test_the_default_is_the_preprocessing_of_serving_for_real_images(real_images):
    files = [path.read_bytes() for path in real_images[::40]]
    np.testing.assert_array_equal(
        images(Augmentation(), files), decode_images(tf.constant(files), *SIZE)
    )


def test_the_same_seed_gives_the_same_image_in_any_order_and_in_parallel():
    once = images(EVERYTHING)
    order = np.random.default_rng(0).permutation(len(FILES))
    np.testing.assert_array_equal(images(EVERYTHING, order=order, parallel=4), once)
    other = images(EVERYTHING, seed=1)
    assert np.all(np.abs(other - once).max(axis=(1, 2, 3)) > 0)


def test_the_seeds_type_makes_no_difference():
    int32, int64 = (
        augment_image(FILES[0], tf.constant([0, 1], dtype), *SIZE, GEOMETRY)
        for dtype in (tf.int32, tf.int64)
    )
    np.testing.assert_array_equal(int32, int64)


def test_range():
    made = images(EVERYTHING, FILES * 5)
    assert made.dtype == np.float32
    assert made.min() >= -1
    assert made.max() <= 1


def test_range_of_real_images(real_images):
    made = images(EVERYTHING, [path.read_bytes() for path in real_images[::20]])
    assert made.min() >= -1
    assert made.max() <= 1


def test_flip_mirrors_half_of_the_images():
    plain, flipped = images(Augmentation()), images(Augmentation(flip=True))
    mirrored = np.all(flipped == plain[:, :, ::-1], axis=(1, 2, 3))
    assert np.all(mirrored ^ np.all(flipped == plain, axis=(1, 2, 3)))
    assert 6 <= mirrored.sum() <= 18


@pytest.mark.parametrize("off", ["crop_area", "flip"])
def test_steps_that_are_off_do_not_change_the_random_numbers_of_others(off):
    without = dataclasses.replace(GEOMETRY, **{off: getattr(Augmentation(), off)})
    # Erasing, the last step, replaces a rectangle of the image with noise. The noise is
    # bit-identical in both results only if erasing draws the same random numbers for both.
    same = np.all(images(GEOMETRY) == images(without), axis=-1).mean(axis=(1, 2))
    assert np.all(same > 0.015)


@pytest.mark.parametrize("step", ["crop_area", "randaugment_layers", "color_jitter", "erasing"])
def test_every_augmentation_changes_images(step):
    only = Augmentation(**{step: getattr(EVERYTHING, step)})
    assert np.any(images(only) != images(Augmentation()))
