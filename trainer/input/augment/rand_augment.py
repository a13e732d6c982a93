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
    """Applies `layers` randomly drawn operations. Only the drawn operations are computed.

    Args:
      image: float32 [H, W, 3] in [0, 255].
      seed: int32 or int64 [2].
      layers: the number of operations; N in the paper.
      magnitude: the strength of every operation, 0 to 30; M in the paper. See `operations`.

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
    """Returns the operations at one magnitude.

    The operations and their strengths are those of the code with which EfficientNet, AugReg and
    big_vision were trained (`distort_image_with_randaugment` in big_vision/pp/autoaugment.py), so a
    magnitude from publications about these models means the same here. AutoAugment's magnitudes end
    at 10; here, they go on to 30. Some operations do not grow stronger with the magnitude:
    Posterize (which keeps at least one bit) and Solarize are strongest at 0. Color, Contrast,
    Brightness and Sharpness reduce the property at magnitudes below 5, change nothing at 5, and
    increase the property above 5.

    There are three differences from big_vision's code:

    - Cutout is missing, because the separate augmentation `erasing` replaces Cutout.
    - At magnitude 10, translation moves an image by 45 % of its width or height, as in timm.
      big_vision moves an image of any size by 100 pixels, which is 45 % of 224 pixels.
    - Contrast blends the image with the mean of its values, as in Pillow and the paper. big_vision
      blends the image with a grey that depends on the number of pixels and not on their values.

    Args:
      magnitude: 0 to 30.
      sign: -1 or 1, the direction of rotation, shear and translation; float32 [].

    Returns:
      Functions by name; each takes and returns float32 [H, W, 3] in [0, 255].
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
