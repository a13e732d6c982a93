"""The header of an image file, and a function that draws transparent pixels over white."""

from typing import NamedTuple

import tensorflow as tf


class Header(NamedTuple):
    """The properties of an image, read from its header before any pixel is decoded.

    Attributes:
      height, width: height and width of the stored image, int32 []; 0 if the header does not
        contain them.
      exif: the EXIF block, string []; empty if there is none. The string may be longer than the
        EXIF block, and then ends with other bytes of the file.
      has_alpha: whether some pixels may be transparent, bool [].
      is_rgb_jpeg: whether the file is a JPEG of three channels, bool [].
    """

    height: tf.Tensor
    width: tf.Tensor
    exif: tf.Tensor | bytes
    has_alpha: tf.Tensor | bool
    is_rgb_jpeg: tf.Tensor | bool = False


def lay_on_white(image: tf.Tensor) -> tf.Tensor:
    """Draws an image with alpha, uint8 [h, w, 4], over white; returns uint8 [h, w, 3].

    A colour c with alpha a becomes 255 - (255 - c) * a / 255, rounded, in 16-bit arithmetic.
    """
    ink, alpha = tf.cast(255 - image[..., :3], tf.uint16), tf.cast(image[..., 3:], tf.uint16)
    product = ink * alpha + 128
    shift = tf.constant(8, tf.uint16)
    inked = tf.bitwise.right_shift(product + tf.bitwise.right_shift(product, shift), shift)
    return 255 - tf.cast(inked, tf.uint8)
