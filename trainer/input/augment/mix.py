"""MixUp and CutMix, which mix each image of a batch with the next image of the batch."""

import tensorflow as tf

from trainer.input.augment.paste import paste

Batch = tuple[tf.Tensor, tf.Tensor]


def mix(
    images: tf.Tensor, labels: tf.Tensor, seed: tf.Tensor, *, mixup: float, cutmix: float
) -> Batch:
    """Applies MixUp or CutMix to a batch.

    If MixUp and CutMix are both on, one of the two is drawn at random for the whole batch, as in
    timm.

    Args:
      images: float32 [B, H, W, 3], of any range.
      labels: probabilities (one-hot or smoothed), float32 [B, C].
      seed: int32 or int64 [2], different for every batch. An int32 seed has the same effect as an
        equal int64 seed.
      mixup: alpha of MixUp's Beta distribution; 0 for no MixUp.
      cutmix: alpha of CutMix's Beta distribution; 0 for no CutMix.

    Returns:
      Mixed images and labels, with the same shapes and types as the arguments.
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
    """Blends each image with the next image of the batch, and also blends the labels of the two
    images.

    The source is Zhang et al., https://arxiv.org/abs/1710.09412. As in big_vision, one weight is
    drawn from Beta(alpha, alpha) for the whole batch, and the partner is the next image.
    """
    weight = sample_beta(seed, alpha)
    return _interpolate(images, weight), _interpolate(labels, weight)


def cut_mix(images: tf.Tensor, labels: tf.Tensor, seed: tf.Tensor, alpha: float) -> Batch:
    """Pastes a rectangle of the next image of the batch over each image, and blends the labels of
    the two images.

    As in Yun et al., https://arxiv.org/abs/1905.04899, a weight is drawn from Beta(alpha, alpha).
    The rectangle has the aspect ratio of the image; its share of the image's area is 1 - weight.
    The centre of the rectangle is drawn uniformly from the image. Only the part of the rectangle
    within the image is pasted, and the share of this part is the weight of the next image's label.
    """
    weight_seed, centre_seed = tf.unstack(tf.random.split(seed, 2))
    size = tf.shape(images)[1:3]
    side = tf.sqrt(1.0 - sample_beta(weight_seed, alpha)) * tf.cast(size, tf.float32)
    sides = tf.cast(tf.round(side), tf.int32)
    centre = tf.random.stateless_uniform([2], centre_seed) * tf.cast(size, tf.float32)
    first = tf.cast(centre, tf.int32) - sides // 2
    top, left = tf.unstack(tf.maximum(first, 0))
    bottom, right = tf.unstack(tf.minimum(first + sides, size))
    patch = _next_elements(images[:, top:bottom, left:right])
    pasted = tf.reduce_prod(tf.shape(patch)[1:3]) / tf.reduce_prod(size)
    return paste(images, patch, top, left), _interpolate(labels, 1.0 - tf.cast(pasted, tf.float32))


def sample_beta(seed: tf.Tensor, alpha: float) -> tf.Tensor:
    """Draws a number, float32 [], from Beta(alpha, alpha).

    The number is X / (X + Y), where X and Y are drawn from Gamma(alpha).
    """
    # With a small alpha, the two numbers from the Gamma distribution may be too small for float32.
    # If both numbers are too small even for float64, both become 0, and the result is 0, not NaN.
    first, second = tf.unstack(tf.random.stateless_gamma([2], seed, alpha, dtype=tf.float64))
    return tf.cast(tf.math.divide_no_nan(first, first + second), tf.float32)


def _interpolate(batch: tf.Tensor, weight: tf.Tensor) -> tf.Tensor:
    return weight * batch + (1.0 - weight) * _next_elements(batch)


def _next_elements(batch: tf.Tensor) -> tf.Tensor:
    """Replaces each element of a batch with the next one, and the last element with the first."""
    return tf.roll(batch, shift=-1, axis=0)
