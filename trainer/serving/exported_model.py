"""What is known of an exported model besides its graph: its signatures and its class names."""

import dataclasses
import json
import os
from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from common.errors import InputError
from trainer.serving.calibration import Calibration

# The signatures, named by what they take.
FROM_BYTES = "serving_default"
FROM_EXAMPLES = "from_examples"
FROM_PIXELS = "from_pixels"

# Beside the graph, which has all of it as well, for those who do not load it.
_CLASSES = "assets.extra/classes.json"
_CALIBRATION = "assets.extra/calibration.json"


def write_classes(directory: str, classes: Sequence[str]) -> None:
    """Writes the class names of an exported model, in the order of its outputs."""
    _write(f"{directory}/{_CLASSES}", list(classes))


def write_calibration(directory: str, calibration: Calibration) -> None:
    """Writes the temperature and the threshold of an exported model."""
    _write(f"{directory}/{_CALIBRATION}", dataclasses.asdict(calibration))


def _write(file: str, content: Any) -> None:
    tf.io.gfile.makedirs(os.path.dirname(file))
    with tf.io.gfile.GFile(file, "w") as stream:
        json.dump(content, stream, ensure_ascii=False)


def read_classes(directory: str) -> list[str] | None:
    """The class names of an exported model, in the order of its outputs; None of another model.

    Args:
      directory: of the SavedModel.

    Raises:
      InputError: the file that has them is damaged.
    """
    file = f"{directory}/{_CLASSES}"
    if not tf.io.gfile.exists(file):
        return None
    try:
        with tf.io.gfile.GFile(file) as stream:
            return json.load(stream)
    except ValueError as error:
        raise InputError(f"{file}: is damaged ({error}); expected it as it was exported") from error
