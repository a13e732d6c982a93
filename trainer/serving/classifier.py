"""Off-the-shelf classifiers: encoded images -> probabilities of the classes."""

import dataclasses
import itertools
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import tensorflow as tf

from backbones.contract import call_backbone, load_backbone, read_shapes
from common.errors import InputError
from trainer.preprocessing import decode_images
from trainer.serving.exported_model import FROM_PIXELS, read_classes
from trainer.serving.labelled_image import LabelledImage
from trainer.serving.session_model import SessionError, SessionModel

T = TypeVar("T")
U = TypeVar("U")

# An encoded image, string [], and H and W -> float32 [H, W, 3] in [-1, 1].
ToPixels = Callable[[tf.Tensor, int, int], tf.Tensor]
# float32 [B, H, W, 3] in [-1, 1] -> float32 [B, C].
ToProbabilities = Callable[[np.ndarray], np.ndarray]


@dataclasses.dataclass(frozen=True)
class Answer:
    """What a classifier says of an image.

    Attributes:
      image: the image.
      probabilities: float32 [C], which add up to 1; None where the image cannot be had.
      error: why it cannot be had, else empty.
    """

    image: LabelledImage
    probabilities: np.ndarray | None
    error: str = ""


class Classifier:
    """A SavedModel that tells classes apart.

    Either one with the reusable interface whose outputs are logits, or one that the pipeline has
    exported, which is loaded as servers load it.

    Attributes:
      height, width: of the images it takes, in pixels.
      classes: how many it tells apart, C.
      names: of the classes, where the pipeline has exported it; else None.
    """

    def __init__(self, directory: str | Path) -> None:
        """
        Args:
          directory: of the SavedModel, see `backbones.contract`.

        Raises:
          InputError: it is no SavedModel, or does not have the interface.
        """
        self.names = read_classes(str(directory))
        self._probabilities = (
            self._load_backbone(directory) if self.names is None else self._load_exported(directory)
        )

    def __call__(self, images: np.ndarray) -> np.ndarray:
        """float32 [B, H, W, 3] in [-1, 1] -> probabilities, float32 [B, C]."""
        return self._probabilities(images)

    def _load_backbone(self, directory: str | Path) -> ToProbabilities:
        shapes = read_shapes(directory)
        self.height, self.width, self.classes = shapes.height, shapes.width, shapes.features
        model = load_backbone(directory)
        probabilities = tf.function(
            lambda images: tf.nn.softmax(call_backbone(model, images))
        ).get_concrete_function(tf.TensorSpec([None, self.height, self.width, 3], tf.float32))
        return lambda images: probabilities(tf.constant(images)).numpy()

    def _load_exported(self, directory: str | Path) -> ToProbabilities:
        try:
            model = SessionModel(str(directory))
        except SessionError as error:
            raise InputError(
                f"{error}; expected a model that servers can load: export it again if it is one of "
                "an earlier version"
            ) from error
        if FROM_PIXELS not in model.signatures:
            raise InputError(
                f"{directory}: has class names, but no signature {FROM_PIXELS}; expected a "
                "model that the pipeline has exported, as it was"
            )
        (shape,) = model.input_shapes(FROM_PIXELS).values()
        _, height, width, _ = shape
        assert self.names is not None and height is not None and width is not None
        self.height, self.width, self.classes = height, width, len(self.names)
        return lambda images: model(FROM_PIXELS, {"images": images})["probabilities"]


def preprocess_image(encoded: tf.Tensor, height: int, width: int) -> tf.Tensor:
    """The project's own preprocessing (`trainer.preprocessing`), of one image."""
    return decode_images(encoded[tf.newaxis], height, width)[0]


def classify(
    classifier: Classifier,
    images: Iterable[LabelledImage],
    *,
    batch_size: int,
    to_pixels: ToPixels = preprocess_image,
) -> Iterator[Answer]:
    """Classifies images in batches, and reads and decodes the next ones meanwhile.

    Args:
      classifier: a classifier.
      images: any number; one that cannot be read or decoded does not keep others from an answer.
      batch_size: how many the classifier is given at once.
      to_pixels: the preprocessing.

    Yields:
      An answer for each image, in the order of the images.
    """
    size = classifier.height, classifier.width
    spec = tf.TensorSpec([], tf.string)
    # Traced here: threads that found it untraced would each trace it.
    traced = tf.function(lambda encoded: to_pixels(encoded, *size)).get_concrete_function(spec)
    prepared = map_ahead(lambda image: _prepare(image, traced), images, 2 * batch_size)
    while batch := list(itertools.islice(prepared, batch_size)):
        decoded = [pixels for _, pixels, _ in batch if pixels is not None]
        rows = iter(classifier(np.stack(decoded)) if decoded else ())
        for image, pixels, error in batch:
            yield Answer(image, None if pixels is None else next(rows), error)


def likeliest(probabilities: np.ndarray, count: int) -> np.ndarray:
    """Indices of the `count` likeliest classes of float32 [C], likeliest first.

    Of classes that are equally likely, those with lower indices come first.
    """
    return np.argsort(-probabilities, kind="stable")[:count]


def map_ahead(function: Callable[[T], U], items: Iterable[T], ahead: int) -> Iterator[U]:
    """`map` in threads, in order, and at most `ahead` items ahead of whom asks for them."""
    with ThreadPoolExecutor() as pool:
        waiting: deque[Future[U]] = deque()
        for item in items:
            waiting.append(pool.submit(function, item))
            if len(waiting) >= ahead:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def _prepare(
    image: LabelledImage, to_pixels: Callable[[bytes], Any]
) -> tuple[LabelledImage, np.ndarray | None, str]:
    """The image, its pixels (None where it has none), and why it has none."""
    encoded = image.encoded
    try:
        content = encoded.read_bytes() if isinstance(encoded, Path) else encoded
        return image, to_pixels(tf.constant(content)).numpy(), ""
    except OSError as error:
        return image, None, f"cannot be read ({error.strerror})"
    except tf.errors.InvalidArgumentError:  # its message is a page about the graph
        return image, None, "does not decode; expected a JPEG, PNG, GIF or BMP image"
