"""MixUp and CutMix: each image of a batch is mixed with the next one."""

import tensorflow as tf

from trainer.input.augment.paste import paste

Batch = tuple[tf.Tensor, tf.Tensor]


def mix(
    images: tf.Tensor, labels: tf.Tensor, seed: tf.Tensor, *, mixup: float, cutmix: float
) -> Batch:
    """MixUp or CutMix; where both are on, one of them, at random, for the whole batch (as timm).

    Args:
      images: float32 [B, H, W, 3], of any range.
      labels: probabilities (one-hot or smoothed), float32 [B, C].
      seed: int32 or int64 [2], another for every batch; its type makes no difference.
      mixup: alpha of MixUp's Beta distribution; 0 for no MixUp.
      cutmix: alpha of CutMix's; 0 for no CutMix.

    Returns:
      Images and labels as they came in, mixed.
    """
    choice_seed, mix_seed = tf.unstack(tf.random.split(tf.cast(seed, tf.int64), 2))
    if mixup and cutmix:
        return tf.cond(
            tf.random.stateless_uniform([], choice_seed) < 0.5,
            lambda: mix_up(images, labels, mix_seed, mixup),
            lambda: cut_mix(images, labels, mix_seed, cutmix),
        )
    if mixup:
        return mix_up(images, labels, mix_seed, mixup)
    if cutmix:
        return cut_mix(images, labels, mix_seed, cutmix)
    return images, labels


def mix_up(images: tf.Tensor, labels: tf.Tensor, seed: tf.Tensor, alpha: float) -> Batch:
    """Blends images and labels by one weight for the whole batch, from Beta(alpha, alpha).

    Zhang et al., https://arxiv.org/abs/1710.09412; one weight a batch, and the next image as
    partner, as in big_vision.
    """
    weight = sample_beta(seed, alpha)
    return _interpolate(images, weight), _interpolate(labels, weight)


def cut_mix(images: tf.Tensor, labels: tf.Tensor, seed: tf.Tensor, alpha: float) -> Batch:
    """Pastes a rectangle of the next image over each image; labels follow the pasted area.

    Yun et al., https://arxiv.org/abs/1905.04899: the rectangle has the image's aspect ratio and
    the area 1 - weight, weight from Beta(alpha, alpha); its centre is uniform. What reaches beyond
    the image is cut off, and the labels count what is left.
    """
    weight_seed, centre_seed = tf.unstack(tf.random.split(seed, 2))
    size = tf.shape(images)[1:3]
    side = tf.sqrt(1.0 - sample_beta(weight_seed, alpha)) * tf.cast(size, tf.float32)
    sides = tf.cast(tf.round(side), tf.int32)
    centre = tf.random.stateless_uniform([2], centre_seed) * tf.cast(size, tf.float32)
    first = tf.cast(centre, tf.int32) - sides // 2
    top, left = tf.unstack(tf.maximum(first, 0))
    bottom, right = tf.unstack(tf.minimum(first + sides, size))
    patch = _partners(images[:, top:bottom, left:right])
    pasted = tf.reduce_prod(tf.shape(patch)[1:3]) / tf.reduce_prod(size)
    return paste(images, patch, top, left), _interpolate(labels, 1.0 - tf.cast(pasted, tf.float32))


def sample_beta(seed: tf.Tensor, alpha: float) -> tf.Tensor:
    """A draw from Beta(alpha, alpha), float32 []: X / (X + Y) of two from Gamma(alpha)."""
    # In float64, and with 0 / 0 as 0: of a small alpha, both draws may be too small for a float.
    first, second = tf.unstack(tf.random.stateless_gamma([2], seed, alpha, dtype=tf.float64))
    return tf.cast(tf.math.divide_no_nan(first, first + second), tf.float32)


def _interpolate(batch: tf.Tensor, weight: tf.Tensor) -> tf.Tensor:
    return weight * batch + (1.0 - weight) * _partners(batch)


def _partners(batch: tf.Tensor) -> tf.Tensor:
    """For every element the one after it; for the last, the first."""
    return tf.roll(batch, shift=-1, axis=0)
