"""What the header of an image file says, and pixels with transparency on white."""

from typing import NamedTuple

import tensorflow as tf


class Header(NamedTuple):
    """Read from the bytes before any pixel is decoded.

    Attributes:
      height, width: as stored, int32 []; 0 where the header does not say.
      orientation: by EXIF, int32 [] from 1 to 8.
      has_colors: whether pixels are stored as red, green and blue, bool [].
      has_alpha: whether some pixels may be transparent, bool [].
    """

    height: tf.Tensor
    width: tf.Tensor
    orientation: tf.Tensor | int
    has_colors: tf.Tensor | bool
    has_alpha: tf.Tensor | bool


def lay_on_white(image: tf.Tensor) -> tf.Tensor:
    """RGB with alpha, uint8 [h, w, 4] -> uint8 [h, w, 3] as it looks on white.

    255 - (255 - c) * a / 255, rounded, for a colour c and alpha a; 16 bits are enough for it.
    """
    ink, alpha = tf.cast(255 - image[..., :3], tf.uint16), tf.cast(image[..., 3:], tf.uint16)
    product = ink * alpha + 128
    shift = tf.constant(8, tf.uint16)
    inked = tf.bitwise.right_shift(product + tf.bitwise.right_shift(product, shift), shift)
    return 255 - tf.cast(inked, tf.uint8)
