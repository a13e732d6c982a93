"""Classifies encoded images, with an off-the-shelf classifier or an exported model."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import tensorflow as tf

from backbones.contract import call_backbone, load_backbone, read_shapes
from common.errors import InputError
from common.signatures import FROM_BYTES, FROM_PIXELS, INPUT
from trainer.decoding.image_file import decode_upright
from trainer.decoding.limits import Limits
from trainer.preprocessing import resize, value_range
from trainer.serving.exported_model import read_classes
from trainer.serving.safe_decode import BatchDecoder
from trainer.serving.session_model import SessionError, SessionModel

T = TypeVar("T")
U = TypeVar("U")

# The limits for image sizes in off-the-shelf classifiers, equal to the defaults of the pipeline's
# options `ingest.max_side` and `ingest.max_pixels`. `LIMITS` does not apply to exported models,
# which contain the limits with which they were exported.
LIMITS = Limits(max_side=1024, max_pixels=10**8)

# A function from images, float32 [B, H, W, 3] in [-1, 1], to probabilities, float32 [B, C].
ToProbabilities = Callable[[np.ndarray], np.ndarray]


class Classifier:
    """A SavedModel that classifies images.

    The SavedModel is either a model that the pipeline exported, or an off-the-shelf classifier,
    which has TF Hub's reusable interface and returns logits. The Classifier loads an exported model
    in a Session, as servers do.

    Attributes:
      height: height of the input images, in pixels.
      width: width of the input images, in pixels.
      classes: number of classes, C.
      names: names of the classes; None if the pipeline did not export the model.
    """

    _session: SessionModel | None = None
    _backbone: Any = None
    _from_bytes: Callable[[Sequence[bytes]], Mapping[str, np.ndarray]]

    def __init__(self, directory: str | Path) -> None:
        """
        Args:
          directory: directory of the SavedModel; see `backbones.contract`.

        Raises:
          InputError: the directory does not contain a SavedModel, or the SavedModel has neither the
            reusable interface nor the signatures of an exported model.
        """
        self.names = read_classes(str(directory))
        self._probabilities = (
            self._load_backbone(directory) if self.names is None else self._load_exported(directory)
        )

    def __call__(self, images: np.ndarray) -> np.ndarray:
        """Maps images, float32 [B, H, W, 3] in [-1, 1], to probabilities, float32 [B, C]."""
        return self._probabilities(images)

    def close(self) -> None:
        """Frees the memory of an exported model; call this method after the last prediction."""
        if self._session is not None:
            self._session.close()

    def from_bytes(self, encoded: Sequence[bytes]) -> Mapping[str, np.ndarray]:
        """Classifies encoded images as a server would.

        An image that cannot be decoded does not affect the predictions for other images.

        Returns:
          `probabilities`, float32 [B, C]; `valid`, bool [B]: whether each image was decoded; and
          `accepted`, bool [B]: whether an exported model accepts the prediction.
        """
        outputs = self._from_bytes(encoded)
        # Models that early versions of the pipeline exported lack the outputs `valid` and
        # `accepted`: all their images count as valid and accepted. Off-the-shelf classifiers lack
        # `accepted`: all their valid images count as accepted.
        is_valid = outputs.get("valid", np.ones(len(encoded), bool))
        return {"valid": is_valid, "accepted": is_valid} | dict(outputs)

    def _load_backbone(self, directory: str | Path) -> ToProbabilities:
        shapes = read_shapes(directory)
        self.height, self.width, self.classes = shapes.height, shapes.width, shapes.features
        # The attribute `_backbone` keeps the backbone's variables alive, because a traced function
        # does not keep variables alive.
        model = self._backbone = load_backbone(directory)
        probabilities = tf.function(
            lambda images: tf.nn.softmax(call_backbone(model, images))
        ).get_concrete_function(tf.TensorSpec([None, self.height, self.width, 3], tf.float32))

        decode = BatchDecoder(LIMITS, self.height, self.width)

        @tf.function(input_signature=[tf.TensorSpec([None], tf.string)])
        def from_bytes(encoded: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            pixels, is_valid = decode(encoded)
            return probabilities(pixels), is_valid

        def answer(encoded: Sequence[bytes]) -> dict[str, np.ndarray]:
            found, is_valid = from_bytes(tf.constant(encoded, tf.string))
            return {"probabilities": found.numpy(), "valid": is_valid.numpy()}

        self._from_bytes = answer
        return lambda images: probabilities(tf.constant(images)).numpy()

    def _load_exported(self, directory: str | Path) -> ToProbabilities:
        try:
            model = SessionModel(str(directory))
        except SessionError as error:
            raise InputError(
                f"{error}; expected a model that servers can load; if an earlier version of the "
                "pipeline exported the model, export the model again"
            ) from error
        if FROM_PIXELS not in model.signatures:
            raise InputError(
                f"{directory}: has class names, but no signature {FROM_PIXELS}; expected a model "
                "that this pipeline exported"
            )
        (shape,) = model.input_shapes(FROM_PIXELS).values()
        _, height, width, _ = shape
        assert self.names is not None and height is not None and width is not None
        self.height, self.width, self.classes = height, width, len(self.names)
        self._session = model
        self._from_bytes = lambda encoded: model(
            FROM_BYTES, {INPUT[FROM_BYTES]: np.array(encoded, object)}
        )
        return lambda images: model(FROM_PIXELS, {INPUT[FROM_PIXELS]: images})["probabilities"]


def preprocess_image(encoded: tf.Tensor, height: int, width: int) -> tf.Tensor:
    """Decodes, resizes and scales one encoded image, as ImageExampleGen and Transform do."""
    return value_range(resize(decode_upright(encoded, LIMITS).image, height, width))


def likeliest(probabilities: np.ndarray, count: int) -> np.ndarray:
    """Returns the indices of the most probable classes, the most probable class first.

    Classes with equal probabilities are in the order of their indices.

    Args:
      probabilities: the probability of each class, [C].
      count: the number of classes to return.
    """
    return np.argsort(-probabilities, kind="stable")[:count]


def map_ahead(function: Callable[[T], U], items: Iterable[T], ahead: int) -> Iterator[U]:
    """Applies `function` to `items` in threads; yields the results in the order of the items.

    The threads work ahead of the caller, by at most `ahead` items.
    """
    with ThreadPoolExecutor() as pool:
        waiting: deque[Future[U]] = deque()
        for item in items:
            waiting.append(pool.submit(function, item))
            if len(waiting) >= ahead:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
