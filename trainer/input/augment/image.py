"""Augmentation of a single training image."""

import tensorflow as tf

from trainer.input.augment.color_jitter import color_jitter
from trainer.input.augment.crop import inception_crop
from trainer.input.augment.erasing import erase
from trainer.input.augment.rand_augment import rand_augment
from trainer.input.augmentation import Augmentation
from trainer.preprocessing import decode, resize, value_range


def augment_image(
    encoded: tf.Tensor, seed: tf.Tensor, height: int, width: int, augmentation: Augmentation
) -> tf.Tensor:
    """Decodes and augments an image.

    The steps are crop, resize, flip, RandAugment, colour jitter, scaling to [-1, 1] and erasing.
    Each step has a seed of its own, so turning a step on or off does not change the random numbers
    of other steps. A step that is off adds no op to the graph. If all steps are off, this function
    does the same as `trainer.preprocessing.decode_images`.

    Args:
      encoded: an encoded image (JPEG, PNG, GIF, BMP), string [].
      seed: int32 or int64 [2]; the type has no effect on the result.
      height: the height of the result.
      width: the width of the result.
      augmentation: the settings; `mixup` and `cutmix` are applied by `trainer.input.augment.mix`.

    Returns:
      float32 [height, width, 3] in [-1, 1].
    """
    seeds = tf.unstack(tf.random.split(tf.cast(seed, tf.int64), 5))
    crop_seed, flip_seed, randaugment_seed, jitter_seed, erasing_seed = seeds
    if augmentation.crop_area is None:
        image = decode(encoded)
    else:
        image = inception_crop(encoded, crop_seed, augmentation.crop_area)
    image = resize(image, height, width)
    if augmentation.flip:
        image = tf.image.stateless_random_flip_left_right(image, flip_seed)
    if augmentation.randaugment_layers:
        image = rand_augment(
            image,
            randaugment_seed,
            layers=augmentation.randaugment_layers,
            magnitude=augmentation.randaugment_magnitude,
        )
    if augmentation.color_jitter:
        image = color_jitter(image, jitter_seed, augmentation.color_jitter)
    image = value_range(image)
    if augmentation.erasing:
        image = erase(image, erasing_seed, augmentation.erasing)
    return tf.ensure_shape(image, [height, width, 3])
