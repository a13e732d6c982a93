"""The exported model: from raw bytes to class names, needing nothing but TensorFlow."""

from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf

from trainer.exported_model import FROM_BYTES, FROM_EXAMPLES, FROM_PIXELS, write_classes
from trainer.preprocessing import FEATURES, IMAGE, PIXELS
from trainer.transform_graph import TransformGraph

Tensors = dict[str, tf.Tensor]


class ServedClassifier(tf.Module):
    """A tuned model with the transform graph in front of it, and the class names behind.

    All three signatures answer `label` (string [B]), `label_id` (int64 [B]), `probability`
    (float32 [B]) and `probabilities` (float32 [B, C]).
    """

    def __init__(
        self,
        graph: TransformGraph,
        backbone: Callable[[tf.Tensor], tf.Tensor],
        head: Callable[[tf.Tensor], tf.Tensor],
        classes: Sequence[str],
        *,
        graph_has_backbone: bool,
        image_shape: tuple[int, int],
    ) -> None:
        """
        Args:
          graph: encoded images -> pixels, or -> features.
          backbone: pixels -> features.
          head: features -> logits.
          classes: names, in the order of the logits.
          graph_has_backbone: whether the graph goes as far as features.
          image_shape: H and W of the backbone.
        """
        super().__init__()
        self._graph = graph
        self._backbone = backbone
        self._head = head
        self._names = list(classes)
        self._classes = tf.constant(self._names)
        self._graph_has_backbone = graph_has_backbone
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
        tf.saved_model.save(self, directory, signatures=signatures)
        write_classes(directory, self._names)

    def from_bytes(self, image_bytes: tf.Tensor) -> Tensors:
        """Encoded images, string [B]."""
        if self._graph_has_backbone:
            return self._answer(self._graph(image_bytes, FEATURES))
        return self.from_pixels(self._graph(image_bytes, PIXELS))

    def from_examples(self, examples: tf.Tensor) -> Tensors:
        """Serialized tf.Examples with a feature `image`, string [B]."""
        spec = {IMAGE: tf.io.FixedLenFeature([], tf.string)}
        return self.from_bytes(tf.io.parse_example(examples, spec)[IMAGE])

    def from_pixels(self, images: tf.Tensor) -> Tensors:
        """Images, float32 [B, H, W, 3] in [-1, 1]."""
        return self._answer(self._backbone(images))

    def _answer(self, features: tf.Tensor) -> Tensors:
        probabilities = tf.nn.softmax(self._head(features))
        label_id = tf.argmax(probabilities, axis=-1)
        return {
            "label": tf.gather(self._classes, label_id),
            "label_id": label_id,
            "probability": tf.reduce_max(probabilities, axis=-1),
            "probabilities": probabilities,
        }


def _strings(name: str) -> tf.TensorSpec:
    return tf.TensorSpec([None], tf.string, name=name)


def _traced(method: Callable[[tf.Tensor], Tensors], spec: tf.TensorSpec) -> Any:
    return tf.function(method, input_signature=[spec])
