"""The Vision Transformer as a TensorFlow graph (Dosovitskiy et al., arXiv 2010.11929, section 3.1).

The model is the same as in github.com/google-research/vision_transformer, `vit_jax/models_vit.py`.
"""

from collections.abc import Callable, Mapping

import numpy as np
import tensorflow as tf

from backbones.augreg.architecture import Architecture
from backbones.augreg.resnet import ResNet


class VisionTransformer(tf.Module):
    """A Vision Transformer whose variables have the values of a checkpoint's arrays.

    The tokens of all images are the rows of one matrix, `[B * tokens, width]`, so that each dense
    layer is a single product of two matrices.

    Attributes:
      architecture: the sizes of the model, which determine the graph.
      weights: float32 variables by name, for every name in `architecture.array_shapes()`.
    """

    def __init__(
        self,
        architecture: Architecture,
        arrays: Mapping[str, np.ndarray],
        *,
        compute_dtype: tf.DType = tf.float32,
    ):
        """Creates the variables.

        Args:
          architecture: the sizes of the model.
          arrays: float32 arrays by name, at least those in `architecture.array_shapes()`.
          compute_dtype: dtype of convolutions and of the encoder's matrix products: float32,
            bfloat16 or float16. Normalisation, softmax, residuals and the layers after the encoder
            stay float32.
        """
        super().__init__()
        self.architecture = architecture
        self.weights = {
            name: tf.Variable(arrays[name], name=name) for name in architecture.array_shapes()
        }
        self._compute_dtype = compute_dtype

    def __call__(self, images: tf.Tensor) -> tf.Tensor:
        """Computes features, or logits if the architecture has a head.

        Args:
          images: float32 `[B, image_size, image_size, 3]` in [-1, 1].

        Returns:
          Logits, float32 `[B, classes]`, if the model has a head. If the model has no head,
          features, float32 `[B, feature_width]`: the class token after the last normalisation and,
          in a model with the layer `pre_logits`, after this layer.
        """
        tokens = self._embed(images)
        for index in range(self.architecture.depth - 1):
            tokens = self._encoder_block(tokens, index)
        # The model uses only the class token of the last block, so the last block computes only
        # this token.
        tokens = self._encoder_block(tokens, self.architecture.depth - 1, class_token_only=True)
        outputs = self._layer_norm(tokens, "Transformer/encoder_norm")
        if self.architecture.representation_size is not None:
            outputs = tf.tanh(self._dense(outputs, "pre_logits"))
        if self.architecture.classes is not None:
            outputs = self._dense(outputs, "head")
        return outputs

    def _embed(self, images: tf.Tensor) -> tf.Tensor:
        """Maps images `[B, H, W, 3]` to tokens `[B * tokens, width]`; adds position embeddings."""
        cells, width = images, self.architecture.width
        if self.architecture.resnet_blocks is not None:
            resnet = ResNet(
                self.architecture.resnet_blocks, self.weights, compute_dtype=self._compute_dtype
            )
            cells = resnet(images)
        patches = tf.nn.conv2d(
            tf.cast(cells, self._compute_dtype),
            tf.cast(self.weights["embedding/kernel"], self._compute_dtype),
            strides=self.architecture.patch_size,
            padding="VALID",
        )
        patches = tf.nn.bias_add(tf.cast(patches, tf.float32), self.weights["embedding/bias"])
        patches = tf.reshape(patches, [-1, self.architecture.grid_size**2, width])
        class_token = tf.tile(self.weights["cls"], [tf.shape(patches)[0], 1, 1])
        tokens = tf.concat([class_token, patches], axis=1)
        tokens += self.weights["Transformer/posembed_input/pos_embedding"]
        return tf.reshape(tokens, [-1, width])

    def _encoder_block(
        self, tokens: tf.Tensor, index: int, *, class_token_only: bool = False
    ) -> tf.Tensor:
        """Applies one encoder block; inputs and outputs are tokens, `[B * tokens, width]`.

        With `class_token_only`, the outputs are only the class tokens, `[B, width]`.
        """
        name = f"Transformer/encoderblock_{index}"
        normalized = self._layer_norm(tokens, f"{name}/LayerNorm_0")
        keys = queries = tf.cast(normalized, self._compute_dtype)
        if class_token_only:
            tokens, queries = self._class_token(tokens), self._class_token(queries)
        tokens += self._attention(queries, keys, f"{name}/MultiHeadDotProductAttention_1")
        normalized = self._layer_norm(tokens, f"{name}/LayerNorm_2")
        hidden = tf.cast(normalized, self._compute_dtype)
        hidden = self._dense(hidden, f"{name}/MlpBlock_3/Dense_0", activation=_gelu)
        hidden = self._dense(hidden, f"{name}/MlpBlock_3/Dense_1")
        return tokens + tf.cast(hidden, tf.float32)

    def _class_token(self, tokens: tf.Tensor) -> tf.Tensor:
        """Selects the class tokens, `[B, width]`, from all tokens, `[B * tokens, width]`."""
        sequences = tf.reshape(tokens, [-1, self.architecture.tokens, self.architecture.width])
        return sequences[:, 0]

    def _attention(self, queries: tf.Tensor, keys: tf.Tensor, name: str) -> tf.Tensor:
        """Computes the attention of every query to all keys of the same image.

        Args:
          queries: `[B * Q, width]`, where Q is the number of queries per image: `tokens`, or 1 if
            the class token is the only query.
          keys: `[B * tokens, width]`; the layer computes both keys and values from these rows.
          name: the name of the layer.

        Returns:
          float32 `[B * Q, width]`.
        """
        query = self._dense(queries, f"{name}/query")
        query = self._split_heads(query, self.architecture.tokens if queries is keys else 1)
        key = self._split_heads(self._dense(keys, f"{name}/key"), self.architecture.tokens)
        value = self._split_heads(self._dense(keys, f"{name}/value"), self.architecture.tokens)
        scores = tf.matmul(query * query.shape[-1] ** -0.5, key, transpose_b=True)
        attention = tf.nn.softmax(tf.cast(scores, tf.float32))
        attended = tf.matmul(tf.cast(attention, value.dtype), value)
        attended = tf.reshape(tf.transpose(attended, [0, 2, 1, 3]), [-1, self.architecture.width])
        return tf.cast(self._dense(attended, f"{name}/out"), tf.float32)

    def _split_heads(self, rows: tf.Tensor, tokens: int) -> tf.Tensor:
        """Splits rows, `[B * tokens, width]`, into `[B, heads, tokens, width / heads]`."""
        heads = self.architecture.heads
        rows = tf.reshape(rows, [-1, tokens, heads, self.architecture.width // heads])
        return tf.transpose(rows, [0, 2, 1, 3])

    def _dense(
        self,
        rows: tf.Tensor,
        name: str,
        *,
        activation: Callable[[tf.Tensor], tf.Tensor] | None = None,
    ) -> tf.Tensor:
        """Applies a dense layer, which maps `[N, inputs]` to `[N, outputs]` of the same dtype.

        Attention kernels, which have an extra axis for the heads, are reshaped to matrices.
        """
        kernel = tf.cast(self.weights[f"{name}/kernel"], rows.dtype)
        bias = tf.cast(self.weights[f"{name}/bias"], rows.dtype)
        inputs = rows.shape[-1]
        outputs = kernel.shape.num_elements() // inputs
        product = tf.matmul(rows, tf.reshape(kernel, [inputs, outputs]))
        bias = tf.reshape(bias, [outputs])
        if activation is None:
            # Do not use `bias_add` here: oneDNN would fuse it with the matrix product, and the
            # fused kernel does not use the fast AMX instructions of the CPU.
            return product + bias
        return activation(tf.nn.bias_add(product, bias))

    def _layer_norm(self, rows: tf.Tensor, name: str) -> tf.Tensor:
        """Normalises rows, float32 `[N, width]`."""
        # Keep this formula: other formulas for layer normalisation need more passes over the rows.
        centred = rows - tf.reduce_mean(rows, axis=-1, keepdims=True)
        variance = tf.reduce_mean(tf.square(centred), axis=-1, keepdims=True)
        normalized = centred * tf.math.rsqrt(variance + 1e-6)
        return normalized * self.weights[f"{name}/scale"] + self.weights[f"{name}/bias"]


def _gelu(values: tf.Tensor) -> tf.Tensor:
    """Computes GELU by its approximation with tanh (arXiv 1606.08415), as AugReg's training did.

    In inference, oneDNN computes this approximation and the preceding matrix product in one fused
    operation. The fusion saves passes over the hidden activations of the MLP, which are the widest
    activations in the model. On a processor with AVX-512, the fusion reduces the time of the matrix
    product and GELU in S/16 from 20.8 to 5.8 ms in bfloat16, and from 18.6 to 12.6 ms in float32.
    """
    return tf.nn.gelu(values, approximate=True)
