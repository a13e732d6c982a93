"""A backbone as a Keras layer."""

import functools
from typing import Any

import keras
import tensorflow as tf

from backbones.contract import call_backbone
from backbones.input_range import DEFAULT_RANGE, to_input_range
from trainer.model.fused_attention import fuse_attention
from trainer.model.variable_names import named_variables


class BackboneLayer(keras.layers.Layer):
    """Calls a restored backbone, and lets Keras train the backbone's variables.

    The layer wraps each restored `tf.Variable` in a `keras.Variable`, without copying the values.
    If a `tf.Variable` is not wrapped in a `keras.Variable`, Keras does not train the `tf.Variable`,
    and gives no warning. `keras.layers.TFSMLayer` cannot be used, because optimizers with slot
    variables, such as Adam, reject the names of TFSMLayer's variables. `hub.KerasLayer` cannot be
    used, because it requires Keras 2.

    The layer maps images, float32 [B, H, W, 3] in [-1, 1], to features, float32 [B, D].

    Attributes:
      fuses_attention: whether cuDNN's kernels compute attention. `fuses_attention` may be True only
        while XLA compiles a call of this layer for a GPU.
    """

    def __init__(
        self, backbone: Any, features: int, input_range: str = DEFAULT_RANGE, **kwargs: Any
    ) -> None:
        """
        Args:
          backbone: a restored SavedModel with the interface that `backbones.contract` describes.
          features: D, the number of features.
          input_range: the range of pixel values that the backbone expects; see
            `backbones.input_range`.
        """
        super().__init__(**kwargs)
        self.backbone = backbone
        self.fuses_attention = False
        self._input_range = input_range
        self._features = features
        trainable = {id(variable) for variable in backbone.trainable_variables}
        for name, variable in named_variables(backbone):
            tracked = keras.Variable(
                initializer=variable,
                trainable=id(variable) in trainable,
                name=name.replace("/", "_"),
            )
            if id(variable) in trainable:
                self._trainable_variables.append(tracked)
            else:
                self._non_trainable_variables.append(tracked)
        self.built = True

    def call(self, images: tf.Tensor, training: bool = False) -> tf.Tensor:
        images = to_input_range(images, self._input_range)
        features = self._call_backbone(images, bool(training))
        for loss in self.backbone.regularization_losses:
            self.add_loss(loss())
        return tf.ensure_shape(features, [None, self._features])

    def _call_backbone(self, images: tf.Tensor, training: bool) -> tf.Tensor:
        call = functools.partial(call_backbone, self.backbone, training=training)
        if self.fuses_attention and images.shape.is_fully_defined():
            spec = tf.TensorSpec(images.shape, images.dtype)
            call = fuse_attention(tf.function(call).get_concrete_function(spec))
        return call(images)

    def compute_output_shape(self, input_shape: tuple) -> tuple:
        return (input_shape[0], self._features)
