"""Reads `saved_model.pb`, the file that contains the graph of a SavedModel.

This module loads quickly, because it imports TensorFlow only when `read_saved_model` is called.
"""

from pathlib import Path
from typing import TYPE_CHECKING

from common.errors import InputError

if TYPE_CHECKING:
    from tensorflow.core.protobuf import saved_model_pb2

GRAPH_FILE = "saved_model.pb"


def read_saved_model(directory: str | Path) -> "saved_model_pb2.SavedModel":
    """Parses `saved_model.pb`, the file that contains the graph of the SavedModel.

    Raises:
      InputError: the file is missing or corrupt.
    """
    import tensorflow as tf
    from google.protobuf.message import DecodeError
    from tensorflow.core.protobuf import saved_model_pb2

    path = f"{directory}/{GRAPH_FILE}"
    try:
        with tf.io.gfile.GFile(path, "rb") as file:
            saved_model = saved_model_pb2.SavedModel.FromString(file.read())
    except (tf.errors.OpError, DecodeError) as error:
        raise InputError(
            f"{path}: missing or corrupt; expected a SavedModel; export or download it again"
        ) from error
    if not saved_model.meta_graphs:
        raise InputError(
            f"{path}: corrupt SavedModel (it has no graph); export or download it again"
        )
    return saved_model
