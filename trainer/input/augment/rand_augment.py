"""RandAugment (Cubuk et al., https://arxiv.org/abs/1909.13719)."""

from collections.abc import Callable
from functools import partial

import tensorflow as tf

from trainer.input.augment.enhance import brightness, color, contrast, sharpness
from trainer.input.augment.geometry import rotate, shear_x, shear_y, translate_x, translate_y
from trainer.input.augment.tone import (
    auto_contrast,
    equalize,
    invert,
    posterize,
    solarize,
    solarize_add,
)

Operation = Callable[[tf.Tensor], tf.Tensor]


def rand_augment(image: tf.Tensor, seed: tf.Tensor, *, layers: int, magnitude: float) -> tf.Tensor:
    """Applies `layers` operations, each drawn from all of them; no other is run.

    Args:
      image: float32 [H, W, 3] in [0, 255].
      seed: int32 or int64 [2].
      layers: how many; N of the paper.
      magnitude: 0 to 30, the same for all; M of the paper. See `operations`.

    Returns:
      float32 [H, W, 3] in [0, 255].
    """
    for layer_seed in tf.unstack(tf.random.split(seed, layers)):
        operation_seed, sign_seed = tf.unstack(tf.random.split(layer_seed, 2))
        sign = tf.where(tf.random.stateless_uniform([], sign_seed) < 0.5, -1.0, 1.0)
        choices = operations(magnitude, sign).values()
        index = tf.random.stateless_uniform([], operation_seed, maxval=len(choices), dtype=tf.int32)
        image = tf.switch_case(index, [partial(choice, image) for choice in choices])
    return image


def operations(magnitude: float, sign: tf.Tensor | float) -> dict[str, Operation]:
    """The operations at one magnitude.

    Operations and scale are those of the code that EfficientNet, AugReg and big_vision were trained
    with (big_vision/pp/autoaugment.py, `distort_image_with_randaugment`), so that their magnitudes
    mean the same here. 10 is the end of AutoAugment's scale and not a limit. Not every operation
    grows with it: Posterize (which keeps at least one bit) and Solarize do most at 0; Color,
    Contrast, Brightness and Sharpness do nothing at 5, and below it the opposite.

    Three things differ. Cutout is not among them, since erasing is an augmentation of its own;
    translation is relative to the image, as in timm (100 pixels of 224 there); and the poorer
    image of Contrast has the mean of the image, as in Pillow and the paper, where that code
    has a number that depends on the number of pixels alone.

    Args:
      magnitude: 0 to 30.
      sign: -1 or 1, of what has a direction; float32 [].

    Returns:
      Functions, float32 [H, W, 3] in [0, 255] to the same, by name.
    """
    level = magnitude / 10.0
    signed = level * sign
    factor = 0.1 + 1.8 * level
    return {
        "AutoContrast": auto_contrast,
        "Equalize": equalize,
        "Invert": invert,
        "Posterize": lambda image: posterize(image, bits=min(max(int(4 * level), 1), 8)),
        "Solarize": lambda image: solarize(image, threshold=int(256 * level)),
        "SolarizeAdd": lambda image: solarize_add(image, addition=int(110 * level)),
        "Color": lambda image: color(image, factor),
        "Contrast": lambda image: contrast(image, factor),
        "Brightness": lambda image: brightness(image, factor),
        "Sharpness": lambda image: sharpness(image, factor),
        "Rotate": lambda image: rotate(image, 30.0 * signed),
        "ShearX": lambda image: shear_x(image, 0.3 * signed),
        "ShearY": lambda image: shear_y(image, 0.3 * signed),
        "TranslateX": lambda image: translate_x(image, 0.45 * signed),
        "TranslateY": lambda image: translate_y(image, 0.45 * signed),
    }
