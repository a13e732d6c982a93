"""The ResNet of hybrid Vision Transformers as a TensorFlow graph.

The model is a ResNet-v1 with weight standardisation (Qiao et al., arXiv 1903.10520) and GroupNorm
(Wu and He, arXiv 1803.08494). Like `vit_jax/models_resnet.py` in
github.com/google-research/vision_transformer, the model uses SAME padding, and the second
convolution of a unit has a stride of 2 if the unit halves the resolution.
"""

from collections.abc import Mapping

import tensorflow as tf

GROUPS = 32


class ResNet:
    """The ResNet in front of the encoder: a root, followed by blocks of bottleneck units."""

    def __init__(
        self,
        blocks: tuple[int, ...],
        weights: Mapping[str, tf.Variable],
        *,
        compute_dtype: tf.DType = tf.float32,
    ):
        """Creates the ResNet from existing variables.

        Args:
          blocks: number of units in each block.
          weights: float32 variables by their names in the published checkpoints.
          compute_dtype: dtype in which convolutions are computed: float32, bfloat16 or float16.
        """
        self._blocks = blocks
        self._weights = weights
        self._compute_dtype = compute_dtype

    def __call__(self, images: tf.Tensor) -> tf.Tensor:
        """Maps images, float32 `[B, H, W, 3]`, to a feature map, float32 `[B, h, w, channels]`.

        The root of the ResNet divides height and width by 4, and each block after the first
        divides them by 2.
        """
        cells = self._convolution(images, "conv_root", stride=2)
        cells = tf.nn.relu(self._group_norm(cells, "gn_root"))
        cells = tf.nn.max_pool2d(cells, ksize=3, strides=2, padding="SAME")
        for block, units in enumerate(self._blocks):
            for unit in range(units):
                stride = 2 if block > 0 and unit == 0 else 1
                cells = self._unit(cells, f"block{block + 1}/unit{unit + 1}", stride)
        return cells

    def _unit(self, cells: tf.Tensor, name: str, stride: int) -> tf.Tensor:
        shortcut = cells
        if f"{name}/conv_proj/kernel" in self._weights:
            shortcut = self._convolution(cells, f"{name}/conv_proj", stride)
            shortcut = self._group_norm(shortcut, f"{name}/gn_proj")
        for index in (1, 2, 3):
            cells = self._convolution(cells, f"{name}/conv{index}", stride if index == 2 else 1)
            cells = self._group_norm(cells, f"{name}/gn{index}")
            cells = tf.nn.relu(cells if index < 3 else cells + shortcut)
        return cells

    def _convolution(self, cells: tf.Tensor, name: str, stride: int = 1) -> tf.Tensor:
        kernel = self._weights[f"{name}/kernel"]
        mean, variance = tf.nn.moments(kernel, axes=[0, 1, 2])
        kernel = (kernel - mean) / (tf.sqrt(variance) + 1e-5)
        cells = tf.cast(cells, self._compute_dtype)
        kernel = tf.cast(kernel, self._compute_dtype)
        return tf.cast(tf.nn.conv2d(cells, kernel, strides=stride, padding="SAME"), tf.float32)

    def _group_norm(self, cells: tf.Tensor, name: str) -> tf.Tensor:
        _, height, width, channels = cells.shape
        groups = tf.reshape(cells, [-1, height * width, GROUPS, channels // GROUPS])
        mean, variance = tf.nn.moments(groups, axes=[1, 3], keepdims=True)
        normalized = tf.nn.batch_normalization(
            groups,
            mean,
            variance,
            offset=tf.reshape(self._weights[f"{name}/bias"], groups.shape[2:]),
            scale=tf.reshape(self._weights[f"{name}/scale"], groups.shape[2:]),
            variance_epsilon=1e-6,
        )
        return tf.reshape(normalized, [-1, height, width, channels])
