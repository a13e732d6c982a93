"""Reads the number of training examples of each class, which ImageExampleGen has counted."""

import json
import os
from collections.abc import Sequence

import tensorflow as tf

from common.errors import InputError
from common.example_counts import BY_LABEL, COUNTS_FILE


def read_class_counts(files: Sequence[str], classes: int) -> list[int]:
    """Returns the number of training examples of each class, [C].

    ImageExampleGen counts the examples that it writes, and Transform copies the counts, so this
    function reads no example.

    Args:
      files: file patterns of the training split, such as `URI/Split-train/*`; TFX passes one
        pattern.
      classes: number of classes.

    Raises:
      InputError: the file with the counts is missing.
    """
    path = os.path.join(os.path.dirname(os.path.dirname(files[0])), COUNTS_FILE)
    try:
        with tf.io.gfile.GFile(path) as file:
            counts = json.load(file)[BY_LABEL]["train"]
    except tf.errors.NotFoundError as error:
        raise InputError(
            f"{path}: no such file; expected the counts that ImageExampleGen writes into the "
            "directory of its examples; use a new --pipeline-root to run all nodes again"
        ) from error
    return [counts.get(str(label), 0) for label in range(classes)]
