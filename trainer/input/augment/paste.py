"""Pasting of rectangles into images."""

import tensorflow as tf


def paste(images: tf.Tensor, patch: tf.Tensor, top: tf.Tensor, left: tf.Tensor) -> tf.Tensor:
    """Replaces a rectangle of images, several times as fast as `tf.where` with a mask.

    Args:
      images: [..., H, W, 3].
      patch: the new content of the rectangle, [..., h, w, 3]; h or w may be 0.
      top: first row of the rectangle, int32 [].
      left: first column of the rectangle, int32 []; the rectangle lies within the images.

    Returns:
      [..., H, W, 3].
    """
    bottom, right = top + tf.shape(patch)[-3], left + tf.shape(patch)[-2]
    rows = images[..., top:bottom, :, :]
    rows = tf.concat([rows[..., :left, :], patch, rows[..., right:, :]], axis=-2)
    whole = tf.concat([images[..., :top, :, :], rows, images[..., bottom:, :, :]], axis=-3)
    return tf.ensure_shape(whole, images.shape)
