"""Computes heat maps of an exported model's predictions within a time limit."""

import dataclasses
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np
import tensorflow as tf
from absl import logging

from common.signatures import FROM_PIXELS
from trainer.heat_maps.attention import AttentionMaps, UnknownGraphError
from trainer.heat_maps.occlusion import OcclusionMaps
from trainer.preprocessing import resize, value_range

ATTENTION, OCCLUSION = "attention", "occlusion"


class OutOfTimeError(Exception):
    """The time limit is reached."""


@dataclasses.dataclass(frozen=True, eq=False)
class HeatMap:
    """A map of the parts of an image on which the predicted class depends.

    Attributes:
      file: name of the image.
      method: ATTENTION or OCCLUSION.
      values: a value for each cell of a grid, float [grid, grid] in [0, 1]. The greatest value is
        1. The grid divides the height and the width of the image into equal parts.
    """

    file: str
    method: str
    values: np.ndarray


def explain(
    model: Any,
    images: Iterable[tuple[str, bytes, int]],
    seconds: float,
    *,
    now: Callable[[], float] = time.monotonic,
) -> Iterator[HeatMap]:
    """Yields heat maps, in the order of the images, until the time is up.

    A heat map is computed only if the remaining time is at least the longest time that an earlier
    heat map took.

    Args:
      model: the loaded SavedModel of an exported model.
      images: for each image, the name, the JPEG file and the index of the predicted class.
      seconds: the time limit for all heat maps together.
      now: a clock, in seconds.
    """
    end = now() + seconds

    def check_time() -> None:
        if now() > end:
            raise OutOfTimeError

    signature = model.signatures[FROM_PIXELS]
    _, height, width, _ = signature.inputs[0].shape
    method, make_map = _choose(signature, check_time)
    slowest = 0.0
    for file, encoded, answer in images:
        begin = now()
        if begin + slowest > end:
            return
        decoded = tf.io.decode_jpeg(encoded, channels=3)
        image = value_range(resize(decoded, height, width)).numpy()
        try:
            values = make_map(image, answer)
        except OutOfTimeError:
            return
        slowest = max(slowest, now() - begin)
        if values.max() > 0:  # if all values are 0, no part of the image supports the class
            yield HeatMap(file, method, values / values.max())


def _choose(
    signature: Any, check_time: Callable[[], None]
) -> tuple[str, Callable[[np.ndarray, int], np.ndarray]]:
    """Returns the name of a method, and the function that makes heat maps with this method.

    The method is attention for a Vision Transformer with a class token, and occlusion otherwise.
    """
    try:
        return ATTENTION, AttentionMaps(signature)
    except UnknownGraphError as reason:
        logging.info("The heat maps come from occlusion: %s.", reason)
    return OCCLUSION, OcclusionMaps(
        lambda images: signature(images=tf.constant(images))["probabilities"].numpy(), check_time
    )
