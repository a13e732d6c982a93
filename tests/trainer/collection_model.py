"""SavedModels as those of the TF-Hub collection were written."""

from pathlib import Path

import tensorflow as tf

from backbones.augreg.architecture import Architecture
from backbones.augreg.initialization import random_arrays
from backbones.augreg.vit import VisionTransformer


class _ReusableSavedModelWrapper(tf.train.Checkpoint):
    """The same class as in github.com/sayakpaul/ViT-jax2tf, conversion.ipynb."""

    def __init__(self, function, variables):
        super().__init__()
        self.variables = tf.nest.flatten(variables)
        self.trainable_variables = [v for v in self.variables if v.trainable]
        self.regularization_losses = []
        self.__call__ = function


def write_collection_model(
    architecture: Architecture, directory: Path, *, batch: int | None = None
) -> None:
    """Writes a SavedModel of random weights (seed 0) in that notebook's way.

    What is particular to it: variables without names, in the order of a tree whose keys are sorted;
    a function without the argument `training`, compiled by XLA; gradients that are saved with it.
    The function itself is this project's, in place of what jax2tf made.

    Args:
      architecture: of the model; without a head it is trainable.
      directory: where to.
      batch: images that the function takes; None for any number.
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
