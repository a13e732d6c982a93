"""Writes SavedModels with TF-Hub's interface (tensorflow.org/hub/reusable_saved_models)."""

import tempfile
from pathlib import Path

import tensorflow as tf

from backbones.augreg.vit import VisionTransformer
from common.saved_model import GRAPH_FILE


class _Reusable(tf.Module):
    """The root object of the SavedModel."""

    # `tf.Module` defines `variables` and `trainable_variables` as Python properties, which
    # `tf.saved_model.save` leaves out. Define `variables` and `trainable_variables` as lists,
    # because TF-Hub's interface requires them in the SavedModel.
    variables: list[tf.Variable] = []  # noqa: RUF012
    trainable_variables: list[tf.Variable] = []  # noqa: RUF012


def write_saved_model(model: VisionTransformer, directory: Path) -> None:
    """Writes `model` as a SavedModel that TensorFlow loads without this project's code.

    `tf.saved_model.load` returns an object `obj`. The call `obj(images, training=False)` takes the
    images of `model`, in batches of any size, and returns the outputs of `model`. The lists
    `obj.variables` and `obj.trainable_variables` contain all variables, named as in the checkpoint;
    the list `obj.regularization_losses` is empty. The signature `serving_default` takes `images`
    and returns `outputs`.

    Args:
      model: the model to write.
      directory: the directory to write, which does not exist yet or is empty. If the directory does
        not exist, the function writes it under a temporary name, and renames it when it is
        complete. If the directory exists, the function moves `saved_model.pb` into it last, so that
        other code does not take an incomplete directory for a SavedModel.
    """
    size = model.architecture.image_size
    spec = tf.TensorSpec([None, size, size, 3], tf.float32, name="images")
    # Training and inference use the same graph, because the model has no dropout.
    forward = tf.function(model.__call__).get_concrete_function(spec)

    @tf.function
    def call(images: tf.Tensor, training: bool = False) -> tf.Tensor:
        del training
        return forward(images)

    @tf.function(input_signature=[spec])
    def serve(images: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"outputs": forward(images)}

    for training in (False, True):
        call.get_concrete_function(spec, training=training)

    reusable = _Reusable()
    reusable.__call__ = call
    reusable.variables = list(model.weights.values())
    reusable.trainable_variables = list(model.weights.values())
    reusable.regularization_losses = []

    # Do not replace an existing directory, because the directory may be a mount point or the
    # working directory of a process. Move the new files into the existing directory instead.
    exists = directory.exists()
    parent = directory if exists else directory.absolute().parent
    parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{directory.name}.", dir=parent) as staging:
        written = Path(staging, "saved_model")
        tf.saved_model.save(reusable, str(written), signatures=serve)
        if not exists:
            written.rename(directory)
            return
        for path in sorted(written.iterdir(), key=lambda path: path.name == GRAPH_FILE):
            path.rename(directory / path.name)
