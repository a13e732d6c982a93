"""Exports a model, from raw bytes to class names, that needs only TensorFlow."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras
import tensorflow as tf

from trainer.decoding.image_file import decode_plain_jpeg, decode_upright
from trainer.decoding.limits import Limits
from trainer.preprocessing import IMAGE, resize, value_range
from trainer.serving.calibration import Calibration
from trainer.serving.exported_model import (
    FROM_BYTES,
    FROM_EXAMPLES,
    FROM_PIXELS,
    write_calibration,
    write_classes,
)
from trainer.serving.safe_decode import map_valid

Tensors = dict[str, tf.Tensor]
ToFeatures = Callable[[tf.Tensor], tf.Tensor]


class ServedClassifier:
    """A tuned model with its preprocessing in front of it, and the class names behind.

    All three signatures answer `label` (string [B]), `label_id` (int64 [B]), `probability`
    (float32 [B]), `probabilities` (float32 [B, C]) and `valid` (bool [B]): false where the bytes
    are no image that can be decoded. There the label is empty, its id -1 and every probability 0.
    `accepted` (bool [B]) is false where it is not valid, or not probable enough to be believed.
    """

    def __init__(
        self,
        *,
        to_features: ToFeatures,
        head: keras.layers.Layer,
        backbone: tf.Module,
        classes: Sequence[str],
        image_shape: tuple[int, int],
        limits: Limits,
        calibration: Calibration,
    ) -> None:
        """
        Args:
          to_features: float32 [B, H, W, 3] in [-1, 1] -> features, float32 [B, D].
          head: features -> logits, float32 [B, C].
          backbone: has the variables, tables and other resources that the functions use.
          classes: names, in the order of the logits.
          image_shape: H and W.
          limits: of large images, as ImageExampleGen has them.
          calibration: the temperature of the probabilities, and which answers are accepted.
        """
        self._to_features = to_features
        self._head = head
        self._backbone = backbone
        self._classes = list(classes)
        self._image_shape = image_shape
        self._limits = limits
        self._calibration = calibration
        self._decode_common = self._traced_decoder(decode_plain_jpeg)
        self._decode_general = self._traced_decoder(
            lambda encoded, limits: decode_upright(encoded, limits).image
        )

    def save(self, directory: str, more_signatures: Mapping[str, Any] | None = None) -> None:
        """Writes the SavedModel with its three signatures.

        Args:
          directory: where.
          more_signatures: traced functions by their names, which a benchmark compares with.
        """
        images = tf.TensorSpec([None, *self._image_shape, 3], tf.float32, name="images")
        signatures = {
            # The suffix _bytes makes TensorFlow Serving and Vertex AI decode base64.
            FROM_BYTES: _traced(self.from_bytes, _strings("image_bytes")),
            FROM_EXAMPLES: _traced(self.from_examples, _strings("examples")),
            FROM_PIXELS: _traced(self.from_pixels, images),
            **(more_signatures or {}),
        }
        module = tf.Module()
        module.backbone = self._backbone
        # Not the Keras layer: a Session, in which servers load the model, restores no variable that
        # is saved as Keras's own kind. Keras's ExportArchive tracks `tf.Variable`s, too.
        module.head = [variable.value for variable in self._head.variables]
        tf.saved_model.save(module, directory, signatures=signatures)
        write_classes(directory, self._classes)
        write_calibration(directory, self._calibration)

    def from_bytes(self, image_bytes: tf.Tensor) -> Tensors:
        """Encoded images, string [B]."""
        return self._from_each(lambda encoded: encoded, image_bytes)

    def from_examples(self, examples: tf.Tensor) -> Tensors:
        """Serialized tf.Examples with a feature `image`, string [B]."""
        spec = {IMAGE: tf.io.FixedLenFeature([], tf.string)}
        return self._from_each(
            lambda example: tf.io.parse_single_example(example, spec)[IMAGE], examples
        )

    def from_pixels(self, images: tf.Tensor) -> Tensors:
        """Images, float32 [B, H, W, 3] in [-1, 1]."""
        return self._answer(images, tf.ones([tf.shape(images)[0]], tf.bool))

    def _from_each(self, read: Callable[[tf.Tensor], tf.Tensor], items: tf.Tensor) -> Tensors:
        """The answers for items of which each has an encoded image, if it can be read."""
        return self._answer(
            *map_valid(
                lambda item: self._decode_common(read(item)),
                lambda item: self._decode_general(read(item)),
                items,
                (*self._image_shape, 3),
            )
        )

    def _traced_decoder(self, decode: Callable[[tf.Tensor, Limits], tf.Tensor]) -> Any:
        """An encoded image, string [] -> float32 [H, W, 3] in [-1, 1]; once for all signatures."""
        return tf.function(
            lambda encoded: value_range(resize(decode(encoded, self._limits), *self._image_shape)),
            input_signature=[tf.TensorSpec([], tf.string)],
            autograph=False,
        )

    def _answer(self, images: tf.Tensor, is_valid: tf.Tensor) -> Tensors:
        # Some kernels fail of an empty batch.
        count = tf.shape(images)[0]
        one = tf.zeros([1, *self._image_shape, 3])
        features = self._to_features(tf.cond(count > 0, lambda: images, lambda: one))
        logits = self._head(features)[:count]
        probabilities = tf.nn.softmax(logits / self._calibration.temperature)
        probabilities = tf.where(is_valid[:, tf.newaxis], probabilities, 0.0)
        probability = tf.reduce_max(probabilities, axis=-1)
        label_id = tf.argmax(probabilities, axis=-1)
        return {
            "label": tf.where(is_valid, tf.gather(tf.constant(self._classes), label_id), ""),
            "label_id": tf.where(is_valid, label_id, -1),
            "probability": probability,
            "probabilities": probabilities,
            "valid": is_valid,
            "accepted": is_valid & (probability >= self._calibration.threshold),
        }


def _strings(name: str) -> tf.TensorSpec:
    return tf.TensorSpec([None], tf.string, name=name)


def _traced(method: Callable[[tf.Tensor], Tensors], spec: tf.TensorSpec) -> Any:
    return tf.function(method, input_signature=[spec])
