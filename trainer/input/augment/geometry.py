"""Rotation, shear and translation.

As in AutoAugment's code and in big_vision, pixels are interpolated by nearest neighbour, and areas
outside the image become grey (128). All operations take and return float32 [H, W, 3] in [0, 255];
angles, slopes and fractions are numbers or float32 [].
"""

import math

import tensorflow as tf

_GREY = 128.0


def rotate(image: tf.Tensor, degrees: tf.Tensor | float) -> tf.Tensor:
    """Turns the image counter-clockwise around its centre."""
    height, width = _size(image)
    radians = degrees * (math.pi / 180.0)
    sine, cosine = tf.sin(radians), tf.cos(radians)
    x, y = (width - 1.0) / 2.0, (height - 1.0) / 2.0
    return _transform(
        image, cosine, -sine, x - cosine * x + sine * y, sine, cosine, y - sine * x - cosine * y
    )


def shear_x(image: tf.Tensor, slope: tf.Tensor | float) -> tf.Tensor:
    """Moves row y to the left by `slope` * y pixels."""
    return _transform(image, 1.0, slope, 0.0, 0.0, 1.0, 0.0)


def shear_y(image: tf.Tensor, slope: tf.Tensor | float) -> tf.Tensor:
    """Moves column x upwards by `slope` * x pixels."""
    return _transform(image, 1.0, 0.0, 0.0, slope, 1.0, 0.0)


def translate_x(image: tf.Tensor, fraction: tf.Tensor | float) -> tf.Tensor:
    """Moves the image to the left by a fraction of its width."""
    return _transform(image, 1.0, 0.0, fraction * _size(image)[1], 0.0, 1.0, 0.0)


def translate_y(image: tf.Tensor, fraction: tf.Tensor | float) -> tf.Tensor:
    """Moves the image upwards by a fraction of its height."""
    return _transform(image, 1.0, 0.0, 0.0, 0.0, 1.0, fraction * _size(image)[0])


def _size(image: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns the height and the width of an image, float32 []."""
    height, width = tf.unstack(tf.cast(tf.shape(image)[:2], tf.float32))
    return height, width


def _transform(image: tf.Tensor, *affine: tf.Tensor | float) -> tf.Tensor:
    """Moves pixels so that output pixel (x, y) is input pixel (a*x + b*y + c, d*x + e*y + f).

    Args:
      image: float32 [H, W, 3].
      affine: the numbers a to f.
    """
    moved = tf.raw_ops.ImageProjectiveTransformV3(
        images=image[None],
        transforms=tf.stack([*map(tf.convert_to_tensor, affine), 0.0, 0.0])[None],
        output_shape=tf.shape(image)[:2],
        interpolation="NEAREST",
        fill_mode="CONSTANT",
        fill_value=_GREY,
    )
    return tf.ensure_shape(moved[0], image.shape)
