"""SavedModels with the reusable interface of TF-Hub (tensorflow.org/hub/reusable_saved_models)."""

import tempfile
from pathlib import Path

import tensorflow as tf

from backbones.augreg.vit import VisionTransformer


class _Reusable(tf.Module):
    """The object that is saved."""

    # tf.Module computes these as properties. A SavedModel keeps attributes, but no properties.
    variables: list[tf.Variable] = []  # noqa: RUF012
    trainable_variables: list[tf.Variable] = []  # noqa: RUF012


def write_saved_model(model: VisionTransformer, directory: Path) -> None:
    """Writes `model` so that TensorFlow loads it without this code.

    What `tf.saved_model.load` returns is called as `obj(images, training=False)`, with the images
    and outputs of `model` and any batch size. It has the lists `variables` and
    `trainable_variables`, both of all variables, named as in the checkpoint, and
    `regularization_losses`, which is empty. The signature `serving_default` takes `images` and
    returns `outputs`.

    Args:
      model: what to write.
      directory: does not exist yet, or is empty. It appears complete or not at all; in one that is
        there, `saved_model.pb`, without which it is no SavedModel, appears last.
    """
    size = model.architecture.image_size
    spec = tf.TensorSpec([None, size, size, 3], tf.float32, name="images")
    # One graph, whichever way it is called: there is no dropout to make training different.
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

    # One that is there may be a mount point, or where somebody stands: it is filled, not replaced.
    is_there = directory.exists()
    parent = directory if is_there else directory.absolute().parent
    parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{directory.name}.", dir=parent) as staging:
        written = Path(staging, "saved_model")
        tf.saved_model.save(reusable, str(written), signatures=serve)
        if not is_there:
            written.rename(directory)
            return
        for path in sorted(written.iterdir(), key=lambda path: path.name == "saved_model.pb"):
            path.rename(directory / path.name)
