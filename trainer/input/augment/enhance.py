"""Brightness, contrast, colour and sharpness, each as a blend of an image with a degraded image.

The functions compute the same as Pillow's `ImageEnhance`, and therefore as torchvision's
`ColorJitter`, but do not round the results. All functions take an image, float32 [H, W, 3] in [0,
255], and a factor of at least 0, which is a Python number or float32 []. With factor 0, the result
is the degraded image. With factor 1, the result is the original image. A factor above 1 exaggerates
the difference between the original and the degraded image. Results are clipped to [0, 255].

`tf.image.adjust_brightness`, `adjust_contrast` and `adjust_saturation` are different operations:
the first adds a number, the second uses the mean of each channel, the third works in HSV.
"""

import tensorflow as tf

# The weights of ITU-R 601-2 luma, as in Pillow's convert("L").
_LUMA = (0.299, 0.587, 0.114)


def brightness(image: tf.Tensor, factor: tf.Tensor | float) -> tf.Tensor:
    """Changes brightness: blends the image with black."""
    return tf.clip_by_value(image * factor, 0.0, 255.0)


def contrast(image: tf.Tensor, factor: tf.Tensor | float) -> tf.Tensor:
    """Changes contrast: blends the image with a uniform grey, the mean luma of the image."""
    # The mean is rounded as in Pillow. Without rounding, the mean would depend slightly on the
    # order in which threads add up the pixels.
    mean = tf.round(tf.reduce_mean(_luma(image)))
    return _blend(mean, image, factor)


def color(image: tf.Tensor, factor: tf.Tensor | float) -> tf.Tensor:
    """Changes saturation: blends the image with its own grey-scale version."""
    return _blend(_luma(image), image, factor)


def sharpness(image: tf.Tensor, factor: tf.Tensor | float) -> tf.Tensor:
    """Changes sharpness: blends the image, except for its outermost pixels, with a smoothed copy.

    H and W must be at least 2.
    """
    return _blend(_smooth(image), image, factor)


def _luma(image: tf.Tensor) -> tf.Tensor:
    """Returns the luma, float32 [H, W, 1], of an image, float32 [H, W, 3]."""
    red, green, blue = tf.unstack(image, axis=-1)
    return (red * _LUMA[0] + green * _LUMA[1] + blue * _LUMA[2])[:, :, None]


def _smooth(image: tf.Tensor) -> tf.Tensor:
    """Smooths like Pillow's `ImageFilter.SMOOTH`: (5 * pixel + sum of its 8 neighbours) / 13."""
    # On a CPU, sums of slices take a tenth as long as a depthwise convolution.
    three = image[:-2] + image[1:-1] + image[2:]
    nine = three[:, :-2] + three[:, 1:-1] + three[:, 2:]
    inner = (nine + 4.0 * image[1:-1, 1:-1]) / 13.0
    rows = tf.concat([image[1:-1, :1], inner, image[1:-1, -1:]], axis=1)
    return tf.concat([image[:1], rows, image[-1:]], axis=0)


def _blend(degraded: tf.Tensor, image: tf.Tensor, factor: tf.Tensor | float) -> tf.Tensor:
    return tf.clip_by_value(factor * image + (1.0 - factor) * degraded, 0.0, 255.0)
