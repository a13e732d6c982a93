"""Random erasing (Zhong et al., https://arxiv.org/abs/1708.04896)."""

import math

import tensorflow as tf

from trainer.input.augment.paste import paste

# Ranges of the erased rectangle's area and aspect ratio, as in torchvision, Keras and timm (timm's
# area is up to 1/3).
_AREA = (0.02, 0.33)
_ASPECT_RATIO = (0.3, 3.3)


def erase(image: tf.Tensor, seed: tf.Tensor, probability: float) -> tf.Tensor:
    """With the given probability, replaces a random rectangle with noise.

    The area of the rectangle is drawn uniformly from 2 % to 33 % of the image. The ratio of the
    rectangle's height to its width is between 0.3 and 3.3, and its logarithm is drawn uniformly.
    The rectangle is never higher or wider than the image. The noise is uniform, which Zhong et al.
    found to be the best choice ("RE-R").

    Args:
      image: float32 [H, W, 3] in [-1, 1]; H and W are static.
      seed: int32 or int64 [2].
      probability: the probability that a rectangle is replaced.

    Returns:
      float32 [H, W, 3] in [-1, 1].
    """
    chance_seed, box_seed, noise_seed = tf.unstack(tf.random.split(seed, 3))

    def replace_rectangle() -> tf.Tensor:
        top, left, rows, columns = _random_box(image.shape[0], image.shape[1], box_seed)
        noise = tf.random.stateless_uniform([rows, columns, 3], noise_seed, minval=-1.0, maxval=1.0)
        return paste(image, noise, top, left)

    chosen = tf.random.stateless_uniform([], chance_seed) < probability
    return tf.cond(chosen, replace_rectangle, lambda: image)


def _random_box(height: int, width: int, seed: tf.Tensor) -> tuple[tf.Tensor, ...]:
    """Draws a rectangle: its top, left, height and width, int32 []."""
    area, ratio, down, across = tf.unstack(tf.random.stateless_uniform([4], seed))
    area = (_AREA[0] + area * (_AREA[1] - _AREA[0])) * height * width
    lowest, highest = map(math.log, _ASPECT_RATIO)
    ratio = tf.exp(lowest + ratio * (highest - lowest))
    rows = tf.minimum(tf.cast(tf.round(tf.sqrt(area * ratio)), tf.int32), height)
    columns = tf.minimum(tf.cast(tf.round(tf.sqrt(area / ratio)), tf.int32), width)
    top, left = _whole_number(down, height - rows), _whole_number(across, width - columns)
    return top, left, rows, columns


def _whole_number(uniform: tf.Tensor, highest: tf.Tensor) -> tf.Tensor:
    """Maps a uniform number in [0, 1) to a whole number from 0 to `highest`, int32 []."""
    return tf.cast(uniform * tf.cast(highest + 1, tf.float32), tf.int32)
