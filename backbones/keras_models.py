"""Recognises models in Keras 3's formats, so that errors can say how to convert such a model.

This module does not import TensorFlow, which takes seconds to import.
"""

from collections.abc import Iterable
from pathlib import Path

HOW_TO_CONVERT = 'docs/models.md, "A Keras model", shows how to convert it'

_FILES = (".keras", ".h5", ".hdf5")
# In every SavedModel that Keras's `model.export()` writes, the root object has these attributes
# (see saved_model_export_archive.py in Keras).
_EXPORTED = {"serve", "_misc_assets", "non_trainable_variables"}


def is_keras_file(path: Path) -> bool:
    """Whether `path` is an existing file with the suffix of one of Keras's own formats."""
    return path.is_file() and path.suffix in _FILES


def is_keras_export(attributes: Iterable[str]) -> bool:
    """Whether the root object's `attributes` show that `model.export()` wrote the SavedModel."""
    return set(attributes) >= _EXPORTED
