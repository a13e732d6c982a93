"""Operations that go from a poorer image through the image itself and beyond.

They agree with Pillow's `ImageEnhance`, and so with torchvision's jitter, but do not round. All
take float32 [H, W, 3] in [0, 255] and a factor of at least 0, a number or float32 []: 0 gives the
poorer image, 1 the image itself, more than 1 its exaggeration, clipped to [0, 255].

`tf.image.adjust_brightness`, `adjust_contrast` and `adjust_saturation` are other operations: they
add, take each channel's own mean, and go through HSV.
"""

import tensorflow as tf

# ITU-R 601-2 luma, as Pillow's convert("L").
_LUMA = (0.299, 0.587, 0.114)


def brightness(image: tf.Tensor, factor: tf.Tensor | float) -> tf.Tensor:
    """Away from black."""
    return tf.clip_by_value(image * factor, 0.0, 255.0)


def contrast(image: tf.Tensor, factor: tf.Tensor | float) -> tf.Tensor:
    """Away from the image's mean luma."""
    # Rounded as Pillow does; so the order in which threads add it up does not matter.
    mean = tf.round(tf.reduce_mean(_luma(image)))
    return _blend(mean, image, factor)


def color(image: tf.Tensor, factor: tf.Tensor | float) -> tf.Tensor:
    """Away from grey; torchvision's saturation."""
    return _blend(_luma(image), image, factor)


def sharpness(image: tf.Tensor, factor: tf.Tensor | float) -> tf.Tensor:
    """Away from a smoothed image, whose outermost pixels are those of the image.

    H and W are at least 2.
    """
    return _blend(_smooth(image), image, factor)


def _luma(image: tf.Tensor) -> tf.Tensor:
    """float32 [H, W, 3] -> [H, W, 1]."""
    red, green, blue = tf.unstack(image, axis=-1)
    return (red * _LUMA[0] + green * _LUMA[1] + blue * _LUMA[2])[:, :, None]


def _smooth(image: tf.Tensor) -> tf.Tensor:
    """Pillow's `ImageFilter.SMOOTH`: weights 5 for a pixel and 1 for its eight neighbours, / 13."""
    # Sums of slices take a tenth of the time of a depthwise convolution on a CPU.
    three = image[:-2] + image[1:-1] + image[2:]
    nine = three[:, :-2] + three[:, 1:-1] + three[:, 2:]
    inner = (nine + 4.0 * image[1:-1, 1:-1]) / 13.0
    rows = tf.concat([image[1:-1, :1], inner, image[1:-1, -1:]], axis=1)
    return tf.concat([image[:1], rows, image[-1:]], axis=0)


def _blend(poorer: tf.Tensor, image: tf.Tensor, factor: tf.Tensor | float) -> tf.Tensor:
    return tf.clip_by_value(factor * image + (1.0 - factor) * poorer, 0.0, 255.0)
