"""Keeps the models of an evaluation in memory, so that TFMA and the heat maps load each model only
once.

Loading even a small exported model takes a second or more, because TensorFlow creates a Python
object for each operation in the model's functions.
"""

import contextlib
import functools
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import tensorflow as tf

from common.shared_objects import SharedObjects

_models = SharedObjects()  # by directory


@contextlib.contextmanager
def keep_models() -> Iterator[None]:
    """A context manager within which the models that TFMA or `load_kept_model` loads stay in
    memory.
    """
    with _models.keep():
        yield


def load_kept_model(directory: str) -> Any:
    """Returns the SavedModel in `directory`; loads the model only if it is not in memory yet."""
    return _load_once(directory, functools.partial(tf.saved_model.load, directory))


def make_tfma_keep(models: Sequence[Any]) -> None:
    """Makes TFMA share its loaded models with `load_kept_model`.

    TFMA and `load_kept_model` share models only while `keep_models` is active, and only within one
    process: models that the worker processes of a Beam cluster load are not shared.

    Args:
      models: `tfma.types.EvalSharedModel`s.
    """
    for model in models:
        loader = model.model_loader
        loader.construct_fn = functools.partial(_load_once, model.model_path, loader.construct_fn)


# `_load_once` is not a method, because TFMA pickles the loader, which refers to `_load_once`, and
# pickling a method would also pickle its object.
def _load_once(directory: str, load: Callable[[], Any]) -> Any:
    return _models.get(directory, load)
