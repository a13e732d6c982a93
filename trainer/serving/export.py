"""Exports a SavedModel that maps image files to class names and needs only TensorFlow."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras
import tensorflow as tf

from common.signatures import FROM_BYTES, FROM_EXAMPLES, FROM_PIXELS, INPUT
from trainer.decoding.limits import Limits
from trainer.preprocessing import IMAGE
from trainer.serving.calibration import Calibration
from trainer.serving.exported_model import write_calibration, write_classes
from trainer.serving.safe_decode import BatchDecoder

Tensors = dict[str, tf.Tensor]
ToFeatures = Callable[[tf.Tensor], tf.Tensor]


class ServedClassifier:
    """A tuned model with its preprocessing and its class names.

    All three signatures return `label` (string [B]), `label_id` (int64 [B]), `probability` (float32
    [B]), `probabilities` (float32 [B, C]), `valid` (bool [B]) and `accepted` (bool [B]). `valid` is
    false if the bytes cannot be decoded as an image; the label is then empty, the label id is -1,
    and all probabilities are 0. `accepted` is false if `valid` is false or `probability` is below
    the threshold of the calibration.
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
          to_features: maps images, float32 [B, H, W, 3] in [-1, 1], to features, float32 [B, D].
          head: maps features to logits, float32 [B, C].
          backbone: the module whose variables, tables and files `to_features` uses.
          classes: the class names, in the order of the logits.
          image_shape: height and width of the model's input images, H and W.
          limits: the limits for large images, the same as in ImageExampleGen.
          calibration: the temperature and the threshold.
        """
        self._to_features = to_features
        self._head = head
        self._backbone = backbone
        self._classes = list(classes)
        self._image_shape = image_shape
        self._decode = BatchDecoder(limits, *image_shape)
        self._calibration = calibration

    def save(self, directory: str, more_signatures: Mapping[str, Any] | None = None) -> None:
        """Writes the SavedModel with its three signatures.

        Args:
          directory: the directory in which to write the SavedModel.
          more_signatures: the name and the traced function of each additional signature. Only
            benchmarks use this argument, to compare different implementations of a signature.
        """
        images = tf.TensorSpec([None, *self._image_shape, 3], tf.float32, name=INPUT[FROM_PIXELS])
        signatures = {
            FROM_BYTES: _trace(self.from_bytes, _strings(INPUT[FROM_BYTES])),
            FROM_EXAMPLES: _trace(self.from_examples, _strings(INPUT[FROM_EXAMPLES])),
            FROM_PIXELS: _trace(self.from_pixels, images),
            **(more_signatures or {}),
        }
        module = tf.Module()
        module.backbone = collect_state(self._backbone)
        # The `tf.Variable`s of the head are saved instead of the Keras layer, as in Keras's
        # ExportArchive. Servers load the model in a Session, which would not restore variables that
        # are saved as `keras.Variable`.
        module.head = [variable.value for variable in self._head.variables]
        tf.saved_model.save(module, directory, signatures=signatures)
        write_classes(directory, self._classes)
        write_calibration(directory, self._calibration)

    def from_bytes(self, image_bytes: tf.Tensor) -> Tensors:
        """Classifies encoded images, string [B]."""
        return self._answer(*self._decode(image_bytes))

    def from_examples(self, examples: tf.Tensor) -> Tensors:
        """Classifies serialized tf.Examples, string [B], that have a feature `image`."""
        spec = {IMAGE: tf.io.FixedLenFeature([], tf.string)}

        def read(example: tf.Tensor) -> tf.Tensor:
            return tf.io.parse_single_example(example, spec)[IMAGE]

        return self._answer(*self._decode(examples, read))

    def from_pixels(self, images: tf.Tensor) -> Tensors:
        """Classifies images, float32 [B, H, W, 3] in [-1, 1]."""
        return self._answer(images, tf.ones([tf.shape(images)[0]], tf.bool))

    def _answer(self, images: tf.Tensor, is_valid: tf.Tensor) -> Tensors:
        # An empty batch is replaced with one image, because some kernels fail for empty batches.
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


def collect_state(module: tf.Module) -> list[Any]:
    """Returns the variables, tables and files of a module and of its parts, without functions.

    If the module itself were saved, the SavedModel would contain all functions of the module, such
    as the training graph of a backbone, which can be larger than the inference graph. If this list
    is saved instead of the module, the SavedModel contains only the functions that its signatures
    call.
    """
    kinds = (tf.Variable, tf.saved_model.experimental.TrackableResource, tf.saved_model.Asset)
    return [
        part for part in tf.train.TrackableView(module).descendants() if isinstance(part, kinds)
    ]


def _strings(name: str) -> tf.TensorSpec:
    return tf.TensorSpec([None], tf.string, name=name)


def _trace(method: Callable[[tf.Tensor], Tensors], spec: tf.TensorSpec) -> Any:
    return tf.function(method, input_signature=[spec], autograph=False)
