"""The Keras model that is tuned: a backbone and a head, or a head alone."""

from typing import Any

import keras

from backbones.contract import Shapes
from backbones.input_range import DEFAULT_RANGE
from trainer.model.backbone_layer import BackboneLayer


def make_head(classes: int) -> keras.layers.Layer:
    """Builds the head, a dense layer that maps features, [B, D], to logits, [B, classes].

    The weights of the head start at zero, as in AugReg's fine-tuning, so that the first training
    steps hardly change the backbone.
    """
    return keras.layers.Dense(classes, kernel_initializer="zeros", name="head")


def make_classifier(
    backbone: Any, shapes: Shapes, classes: int, input_range: str = DEFAULT_RANGE
) -> keras.Sequential:
    """Builds a model that maps pixels, float32 [B, H, W, 3] in [-1, 1], to logits, [B, classes].

    All variables of the model are trainable.

    Args:
      backbone: a restored SavedModel with the interface that `backbones.contract` describes.
      shapes: the backbone's image size, H and W, and its number of features, D.
      classes: number of classes.
      input_range: the range of pixel values that the backbone expects; see `backbones.input_range`.
    """
    return keras.Sequential(
        [
            keras.Input((shapes.height, shapes.width, 3)),
            BackboneLayer(backbone, shapes.features, input_range, name="backbone"),
            make_head(classes),
        ]
    )


def make_probe(features: int, classes: int) -> keras.Sequential:
    """Builds a model that maps features, float32 [B, D], to logits, [B, classes]."""
    return keras.Sequential([keras.Input((features,)), make_head(classes)])
