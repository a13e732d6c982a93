"""Writes and reads two files of an exported model: its class names and its calibration."""

import dataclasses
import json
import os
from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from common.errors import InputError
from common.files import write_whole
from trainer.serving.calibration import Calibration

# The graph of an exported model contains the class names and the calibration. These JSON files
# repeat the class names and the calibration for programs that do not load the graph.
_CLASSES = "assets.extra/classes.json"
_CALIBRATION = "assets.extra/calibration.json"


def write_classes(directory: str, classes: Sequence[str]) -> None:
    """Writes the class names of an exported model, in the order of the model's outputs."""
    _write(f"{directory}/{_CLASSES}", list(classes))


def write_calibration(directory: str, calibration: Calibration) -> None:
    """Writes the temperature and the threshold of an exported model."""
    _write(f"{directory}/{_CALIBRATION}", dataclasses.asdict(calibration))


def _write(file: str, content: Any) -> None:
    tf.io.gfile.makedirs(os.path.dirname(file))
    write_whole(file, json.dumps(content, ensure_ascii=False))


def read_classes(directory: str) -> list[str] | None:
    """Reads the class names of an exported model, in the order of the model's outputs.

    Args:
      directory: the directory of the SavedModel.

    Returns:
      The class names; None if the model was not exported by this pipeline.

    Raises:
      InputError: the file with the class names is damaged.
    """
    file = f"{directory}/{_CLASSES}"
    if not tf.io.gfile.exists(file):
        return None
    try:
        with tf.io.gfile.GFile(file) as stream:
            return json.load(stream)
    except ValueError as error:
        raise InputError(f"{file}: damaged file ({error}); export the model again") from error
