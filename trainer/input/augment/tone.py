"""Maps each pixel value to a new value, which for some operations also depends on the histogram.

The functions agree with Pillow's `ImageOps`. All functions take and return float32 [H, W, 3] in
[0, 255].
"""

import tensorflow as tf

_LEVELS = 256


def invert(image: tf.Tensor) -> tf.Tensor:
    """Returns the negative of an image, as `ImageOps.invert` does."""
    return 255.0 - image


def posterize(image: tf.Tensor, bits: int) -> tf.Tensor:
    """Keeps the `bits` highest bits (1 to 8) of every value, as `ImageOps.posterize` does."""
    step = float(2 ** (8 - bits))
    return tf.floor(image / step) * step


def solarize(image: tf.Tensor, threshold: float) -> tf.Tensor:
    """Inverts values of at least `threshold`, as `ImageOps.solarize` does.

    A threshold of 0 inverts all values, and a threshold of 256 inverts none.
    """
    return tf.where(image < threshold, image, 255.0 - image)


def solarize_add(image: tf.Tensor, addition: float) -> tf.Tensor:
    """Adds `addition` (0 to 255) to values below 128.

    The operation is from AutoAugment's code; Pillow does not have it.
    """
    dark = tf.cast(image < 128.0, tf.float32)
    return tf.minimum(image + addition * dark, 255.0)


def auto_contrast(image: tf.Tensor) -> tf.Tensor:
    """Stretches every channel to [0, 255], as `ImageOps.autocontrast` does.

    A channel in which all values are equal stays as it is.
    """
    low = tf.reduce_min(tf.reduce_min(image, axis=0), axis=0)
    high = tf.reduce_max(tf.reduce_max(image, axis=0), axis=0)
    flat = high <= low
    scale = tf.where(flat, 1.0, 255.0 / tf.where(flat, 1.0, high - low))
    low = tf.where(flat, 0.0, low)
    stretched = (image - _as_row(low, image)) * _as_row(scale, image)
    return tf.clip_by_value(stretched, 0.0, 255.0)


def equalize(image: tf.Tensor) -> tf.Tensor:
    """Rounds values and flattens every channel's histogram, as `ImageOps.equalize` does."""
    # The three channels are equalized together, with one histogram and one table: value v of
    # channel c has the index 256 c + v in the histogram and in the table.
    offsets = tf.constant([0.0, _LEVELS, 2 * _LEVELS])
    indices = tf.cast(image + _as_row(offsets + 0.5, image), tf.int32)
    counts = tf.math.bincount(
        tf.reshape(indices, [-1]), minlength=3 * _LEVELS, maxlength=3 * _LEVELS
    )
    table = _equalization(tf.reshape(counts, [3, _LEVELS]))
    return tf.gather(tf.reshape(table, [-1]), indices)


def _as_row(channels: tf.Tensor, image: tf.Tensor) -> tf.Tensor:
    """Repeats `channels`, one value per channel, float32 [3], for each pixel of a row, [W, 3].

    In TensorFlow, arithmetic between an image, [H, W, 3], and a row, [W, 3], is much faster than
    between an image and a vector, [3].
    """
    return tf.broadcast_to(channels, tf.shape(image)[1:])


def _equalization(counts: tf.Tensor) -> tf.Tensor:
    """Returns the new value for each of the 256 old values, float32 [3, 256].

    Args:
      counts: the histogram of each channel, int32 [3, 256].
    """
    levels = tf.range(_LEVELS)
    highest = tf.reduce_max(tf.where(counts > 0, levels, 0), axis=1)
    rest = tf.reduce_sum(tf.where(levels == highest[:, None], 0, counts), axis=1, keepdims=True)
    step = rest // 255
    below = tf.cumsum(counts, axis=1, exclusive=True)
    table = tf.minimum((below + step // 2) // tf.maximum(step, 1), 255)
    return tf.cast(tf.where(step > 0, table, levels), tf.float32)
