"""The names of an exported model's signatures, and the file of its class names."""

import json
import os
from collections.abc import Sequence

import tensorflow as tf

from common.errors import InputError
from common.files import write_whole

# The signatures, named by their inputs.
FROM_BYTES = "serving_default"
FROM_EXAMPLES = "from_examples"
FROM_PIXELS = "from_pixels"

# The graph contains the class names as well; this file is for readers that do not load the graph.
_CLASSES = "assets.extra/classes.json"


def write_classes(directory: str, classes: Sequence[str]) -> None:
    """Writes the class names of an exported model, in the order of its outputs."""
    file = f"{directory}/{_CLASSES}"
    tf.io.gfile.makedirs(os.path.dirname(file))
    write_whole(file, json.dumps(list(classes), ensure_ascii=False))


def read_classes(directory: str) -> list[str] | None:
    """Reads the class names of an exported model, in the order of its outputs.

    Args:
      directory: the directory of the SavedModel.

    Returns:
      The names; None if this pipeline did not export the model.

    Raises:
      InputError: the file of the class names is damaged.
    """
    file = f"{directory}/{_CLASSES}"
    if not tf.io.gfile.exists(file):
        return None
    try:
        with tf.io.gfile.GFile(file) as stream:
            return json.load(stream)
    except ValueError as error:
        raise InputError(f"{file}: damaged file ({error}); export the model again") from error
