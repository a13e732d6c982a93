"""Writes SavedModels that are like those of the TF-Hub collection."""

from pathlib import Path

import tensorflow as tf

from backbones.augreg.architecture import Architecture
from backbones.augreg.initialization import random_arrays
from backbones.augreg.vit import VisionTransformer


class _ReusableSavedModelWrapper(tf.train.Checkpoint):
    """Wraps a model in the same way as the class in conversion.ipynb of
    github.com/sayakpaul/ViT-jax2tf."""

    def __init__(self, function, variables):
        super().__init__()
        self.variables = tf.nest.flatten(variables)
        self.trainable_variables = [v for v in self.variables if v.trainable]
        self.regularization_losses = []
        self.__call__ = function


def write_collection_model(
    architecture: Architecture, directory: Path, *, batch: int | None = None
) -> None:
    """Writes a SavedModel of random weights (seed 0), as the notebook conversion.ipynb does.

    The variables of the SavedModel have no names, and are sorted by path. The saved function has no
    argument `training`, is compiled by XLA, and is saved with its gradients. The notebook saves a
    function that jax2tf returned, but this function saves the project's own ViT.

    Args:
      architecture: the architecture of the model. The variables are trainable only if the model has
        no classification head.
      directory: the directory of the SavedModel.
      batch: the batch size of the saved function; None for any size.
    """
    arrays = random_arrays(architecture, seed=0)
    trainable = architecture.classes is None
    variables = tf.nest.map_structure(lambda array: tf.Variable(array, trainable), _tree(arrays))
    model = VisionTransformer(architecture, arrays)
    model.weights = dict(zip(sorted(arrays, key=_path), tf.nest.flatten(variables), strict=True))

    @tf.function(autograph=False, jit_compile=True)
    def function(inputs: tf.Tensor) -> tf.Tensor:
        return model(inputs)

    size = architecture.image_size
    signature = function.get_concrete_function(tf.TensorSpec([batch, size, size, 3], tf.float32))
    tf.saved_model.save(
        _ReusableSavedModelWrapper(function, variables),
        str(directory),
        signatures={"serving_default": signature},
        options=tf.saved_model.SaveOptions(experimental_custom_gradients=trainable),
    )


def _path(name: str) -> list[str]:
    return name.split("/")


def _tree(arrays: dict) -> dict:
    root: dict = {}
    for name, array in arrays.items():
        *folders, last = _path(name)
        node = root
        for folder in folders:
            node = node.setdefault(folder, {})
        node[last] = array
    return root
