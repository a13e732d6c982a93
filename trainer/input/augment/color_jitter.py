"""Random brightness, contrast and saturation."""

from functools import partial

import tensorflow as tf

from trainer.input.augment.enhance import brightness, color, contrast

_OPERATIONS = (brightness, contrast, color)


def color_jitter(image: tf.Tensor, seed: tf.Tensor, strength: float) -> tf.Tensor:
    """Varies brightness, contrast and saturation, in random order.

    The operations and factors are those of torchvision's
    `ColorJitter(strength, strength, strength)`, which timm uses.

    Args:
      image: float32 [H, W, 3] in [0, 255].
      seed: int32 or int64 [2].
      strength: each factor is drawn from [max(0, 1 - strength), 1 + strength].

    Returns:
      float32 [H, W, 3] in [0, 255].
    """
    order_seed, factor_seed = tf.unstack(tf.random.split(seed, 2))
    order = tf.argsort(tf.random.stateless_uniform([3], order_seed))
    factors = tf.random.stateless_uniform(
        [3], factor_seed, minval=max(0.0, 1.0 - strength), maxval=1.0 + strength
    )
    for index, factor in zip(tf.unstack(order), tf.unstack(factors), strict=True):
        image = tf.switch_case(index, [partial(apply, image, factor) for apply in _OPERATIONS])
    return image
