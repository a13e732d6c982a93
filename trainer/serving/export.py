"""Exports a model, from raw bytes to class names, that needs only TensorFlow."""

from collections.abc import Callable, Sequence
from typing import Any

import keras
import tensorflow as tf

from trainer.preprocessing import IMAGE
from trainer.serving.exported_model import FROM_BYTES, FROM_EXAMPLES, FROM_PIXELS, write_classes

Tensors = dict[str, tf.Tensor]
ToFeatures = Callable[[tf.Tensor], tf.Tensor]


class ServedClassifier:
    """A tuned model with its preprocessing in front of it, and the class names behind.

    All three signatures answer `label` (string [B]), `label_id` (int64 [B]), `probability`
    (float32 [B]) and `probabilities` (float32 [B, C]).
    """

    def __init__(
        self,
        *,
        features_of_bytes: ToFeatures,
        features_of_pixels: ToFeatures,
        head: keras.layers.Layer,
        backbone: tf.Module,
        classes: Sequence[str],
        image_shape: tuple[int, int],
    ) -> None:
        """
        Args:
          features_of_bytes: encoded images, string [B] -> features, float32 [B, D].
          features_of_pixels: float32 [B, H, W, 3] in [-1, 1] -> features.
          head: features -> logits, float32 [B, C].
          backbone: has the variables, tables and other resources that the functions use.
          classes: names, in the order of the logits.
          image_shape: H and W.
        """
        self._features_of_bytes = features_of_bytes
        self._features_of_pixels = features_of_pixels
        self._head = head
        self._backbone = backbone
        self._classes = list(classes)
        self._image_shape = image_shape

    def save(self, directory: str) -> None:
        """Writes the SavedModel with its three signatures."""
        images = tf.TensorSpec([None, *self._image_shape, 3], tf.float32, name="images")
        signatures = {
            # The suffix _bytes makes TensorFlow Serving and Vertex AI decode base64.
            FROM_BYTES: _traced(self.from_bytes, _strings("image_bytes")),
            FROM_EXAMPLES: _traced(self.from_examples, _strings("examples")),
            FROM_PIXELS: _traced(self.from_pixels, images),
        }
        module = tf.Module()
        module.backbone = self._backbone
        # Not the Keras layer: a Session, in which servers load the model, restores no variable that
        # is saved as Keras's own kind. Keras's ExportArchive tracks `tf.Variable`s, too.
        module.head = [variable.value for variable in self._head.variables]
        tf.saved_model.save(module, directory, signatures=signatures)
        write_classes(directory, self._classes)

    def from_bytes(self, image_bytes: tf.Tensor) -> Tensors:
        """Encoded images, string [B]."""
        return self._answer(self._features_of_bytes(image_bytes))

    def from_examples(self, examples: tf.Tensor) -> Tensors:
        """Serialized tf.Examples with a feature `image`, string [B]."""
        spec = {IMAGE: tf.io.FixedLenFeature([], tf.string)}
        return self.from_bytes(tf.io.parse_example(examples, spec)[IMAGE])

    def from_pixels(self, images: tf.Tensor) -> Tensors:
        """Images, float32 [B, H, W, 3] in [-1, 1]."""
        return self._answer(self._features_of_pixels(images))

    def _answer(self, features: tf.Tensor) -> Tensors:
        probabilities = tf.nn.softmax(self._head(features))
        label_id = tf.argmax(probabilities, axis=-1)
        return {
            "label": tf.gather(tf.constant(self._classes), label_id),
            "label_id": label_id,
            "probability": tf.reduce_max(probabilities, axis=-1),
            "probabilities": probabilities,
        }


def _strings(name: str) -> tf.TensorSpec:
    return tf.TensorSpec([None], tf.string, name=name)


def _traced(method: Callable[[tf.Tensor], Tensors], spec: tf.TensorSpec) -> Any:
    return tf.function(method, input_signature=[spec])
