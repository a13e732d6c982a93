"""Classifies labelled images, with a preprocessing function that the caller chooses."""

import dataclasses
import itertools
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from benchmarks.imagenet_data import LabelledImage
from trainer.serving.classifier import Classifier, map_ahead

# The type of a preprocessing function, which maps an encoded image (string []), a height H and a
# width W to pixels, float32 [H, W, 3] in [-1, 1].
ToPixels = Callable[[tf.Tensor, int, int], tf.Tensor]


@dataclasses.dataclass(frozen=True)
class Answer:
    """The answer of a classifier for one image.

    Attributes:
      image: the image.
      probabilities: float32 [C], with sum 1; None if the image cannot be read or decoded.
      error: why the image cannot be read or decoded; empty if there is no error.
    """

    image: LabelledImage
    probabilities: np.ndarray | None
    error: str = ""


def classify(
    classifier: Classifier,
    images: Iterable[LabelledImage],
    *,
    batch_size: int,
    to_pixels: ToPixels,
) -> Iterator[Answer]:
    """Classifies images in batches, while other threads read and decode images for later batches.

    Args:
      classifier: a classifier.
      images: any number of images. For an image that cannot be read or decoded, the answer contains
        an error instead of probabilities.
      batch_size: number of images in a batch.
      to_pixels: the preprocessing function.

    Yields:
      An answer for each image, in the order of the images.
    """
    size = classifier.height, classifier.width
    spec = tf.TensorSpec([], tf.string)
    # Trace the function before the threads start, because otherwise each thread would trace it.
    traced = tf.function(lambda encoded: to_pixels(encoded, *size)).get_concrete_function(spec)
    images = iter(images)
    # Prepare the first image before the threads start. The first call of the function optimizes its
    # graph, which takes seconds. If several threads made the first call at the same time, each of
    # them would optimize the graph.
    first = [_prepare(image, traced) for image in itertools.islice(images, 1)]
    others = map_ahead(lambda image: _prepare(image, traced), images, 2 * batch_size)
    prepared = itertools.chain(first, others)
    while batch := list(itertools.islice(prepared, batch_size)):
        decoded = [pixels for _, pixels, _ in batch if pixels is not None]
        rows = iter(classifier(np.stack(decoded)) if decoded else ())
        for image, pixels, error in batch:
            yield Answer(image, None if pixels is None else next(rows), error)


def _prepare(
    image: LabelledImage, to_pixels: Callable[[bytes], Any]
) -> tuple[LabelledImage, np.ndarray | None, str]:
    """Returns the image, its pixels (None after an error), and the error ("" if there is none)."""
    encoded = image.encoded
    try:
        content = encoded.read_bytes() if isinstance(encoded, Path) else encoded
        return image, to_pixels(tf.constant(content)).numpy(), ""
    except OSError as error:
        return image, None, f"cannot be read ({error.strerror})"
    except tf.errors.InvalidArgumentError:
        # Do not use the message of TensorFlow's error, because it is a long description of the
        # graph.
        return image, None, "does not decode; expected a JPEG, PNG, GIF, BMP or WebP image"
