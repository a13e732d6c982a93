"""Off-the-shelf classifiers: encoded images -> probabilities of the classes."""

import dataclasses
import itertools
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import tensorflow as tf

from trainer.backbone import call_backbone, load_backbone, read_shapes
from trainer.errors import InputError
from trainer.exported_model import FROM_PIXELS, read_classes
from trainer.picture import Picture
from trainer.preprocessing import decode_images

T = TypeVar("T")
U = TypeVar("U")

# An encoded image, string [], and H and W -> float32 [H, W, 3] in [-1, 1].
ToPixels = Callable[[tf.Tensor, int, int], tf.Tensor]


@dataclasses.dataclass(frozen=True)
class Answer:
    """What a classifier says of a picture.

    Attributes:
      picture: the picture.
      probabilities: float32 [C], which add up to 1; None where the picture cannot be had.
      error: why it cannot be had, else empty.
    """

    picture: Picture
    probabilities: np.ndarray | None
    error: str = ""


class Classifier:
    """A SavedModel that tells classes apart.

    Either one with the reusable interface whose outputs are logits, or one that the pipeline has
    exported.

    Attributes:
      height, width: of the images it takes, in pixels.
      classes: how many it tells apart, C.
      names: of the classes, where the pipeline has exported it; else None.
    """

    def __init__(self, directory: str | Path) -> None:
        """
        Args:
          directory: of the SavedModel, see `trainer.backbone`.

        Raises:
          InputError: it is no SavedModel, or does not have the interface.
        """
        self.names = read_classes(str(directory))
        if self.names is None:
            shapes = read_shapes(directory)
            self.height, self.width, self.classes = shapes.height, shapes.width, shapes.features
            self._model = load_backbone(directory)
        else:
            self._model = load_backbone(directory)
            signature = self._model.signatures.get(FROM_PIXELS)
            if signature is None:
                raise InputError(
                    f"{directory}: has class names, but no signature {FROM_PIXELS}; expected a "
                    "model that the pipeline has exported, as it was"
                )
            (images,) = signature.structured_input_signature[1].values()
            self.height, self.width, self.classes = *images.shape[1:3], len(self.names)
        spec = tf.TensorSpec([None, self.height, self.width, 3], tf.float32)
        answer = self._softmax if self.names is None else self._exported
        self._probabilities = tf.function(answer).get_concrete_function(spec)

    def __call__(self, images: np.ndarray) -> np.ndarray:
        """float32 [B, H, W, 3] in [-1, 1] -> probabilities, float32 [B, C]."""
        return self._probabilities(tf.constant(images)).numpy()

    def _softmax(self, images: tf.Tensor) -> tf.Tensor:
        return tf.nn.softmax(call_backbone(self._model, images))

    def _exported(self, images: tf.Tensor) -> tf.Tensor:
        return self._model.signatures[FROM_PIXELS](images=images)["probabilities"]


def stretched(encoded: tf.Tensor, height: int, width: int) -> tf.Tensor:
    """The project's own preprocessing (`trainer.preprocessing`), of one image."""
    return decode_images(encoded[tf.newaxis], height, width)[0]


def classify(
    classifier: Classifier,
    pictures: Iterable[Picture],
    *,
    batch_size: int,
    to_pixels: ToPixels = stretched,
) -> Iterator[Answer]:
    """Classifies pictures in batches, and reads and decodes the next ones meanwhile.

    Args:
      classifier: a classifier.
      pictures: any number; one that cannot be read or decoded does not keep others from an answer.
      batch_size: how many the classifier is given at once.
      to_pixels: the preprocessing.

    Yields:
      An answer for each picture, in the order of the pictures.
    """
    size = classifier.height, classifier.width
    spec = tf.TensorSpec([], tf.string)
    # Traced here: threads that found it untraced would each trace it.
    traced = tf.function(lambda encoded: to_pixels(encoded, *size)).get_concrete_function(spec)
    prepared = map_ahead(lambda picture: _prepare(picture, traced), pictures, 2 * batch_size)
    while batch := list(itertools.islice(prepared, batch_size)):
        pixels = [pixels for _, pixels, _ in batch if pixels is not None]
        rows = iter(classifier(np.stack(pixels)) if pixels else ())
        for picture, pixels, error in batch:
            yield Answer(picture, None if pixels is None else next(rows), error)


def likeliest(probabilities: np.ndarray, count: int) -> np.ndarray:
    """Indices of the `count` likeliest classes of float32 [C], likeliest first.

    Of classes that are equally likely, those with lower indices come first.
    """
    return np.argsort(-probabilities, kind="stable")[:count]


def map_ahead(function: Callable[[T], U], items: Iterable[T], ahead: int) -> Iterator[U]:
    """`map` in threads, in order, and at most `ahead` items ahead of whom asks for them."""
    with ThreadPoolExecutor() as pool:
        waiting = deque()
        for item in items:
            waiting.append(pool.submit(function, item))
            if len(waiting) >= ahead:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def _prepare(
    picture: Picture, to_pixels: Callable[[bytes], Any]
) -> tuple[Picture, np.ndarray | None, str]:
    """The picture, its pixels (None where it has none), and why it has none."""
    encoded = picture.encoded
    try:
        content = encoded.read_bytes() if isinstance(encoded, Path) else encoded
        return picture, to_pixels(tf.constant(content)).numpy(), ""
    except OSError as error:
        return picture, None, f"cannot be read ({error.strerror})"
    except tf.errors.InvalidArgumentError:  # its message is a page about the graph
        return picture, None, "does not decode; expected a JPEG, PNG, GIF or BMP image"
