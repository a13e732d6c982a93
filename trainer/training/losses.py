"""Computes the training loss of each image."""

from collections.abc import Sequence

import tensorflow as tf


def cross_entropy(
    labels: tf.Tensor,
    logits: tf.Tensor,
    *,
    smoothing: float = 0.0,
    class_weights: Sequence[float] | None = None,
) -> tf.Tensor:
    """Computes the softmax cross-entropy of each image.

    Args:
      labels: the probability of each class, float32 [B, C]; rows sum to 1.
      logits: float32 [B, C].
      smoothing: share of each label's probability that is spread evenly over all classes.
      class_weights: for each class, the factor that multiplies the loss of its images, [C].

    Returns:
      float32 [B].
    """
    classes = logits.shape[-1]
    smoothed = labels * (1 - smoothing) + smoothing / classes
    losses = tf.nn.softmax_cross_entropy_with_logits(smoothed, logits)
    if class_weights is not None:
        losses *= tf.linalg.matvec(labels, tf.constant(class_weights, tf.float32))
    return losses


def balanced_class_weights(counts: Sequence[int]) -> list[float]:
    """Returns class weights that give the same total weight in the loss to all classes with images.

    A class without images has the weight 0. The mean of the weights over all images is 1.

    Args:
      counts: number of images of each class.
    """
    present = sum(count > 0 for count in counts)
    return [sum(counts) / (present * count) if count else 0.0 for count in counts]
