"""Keeps the loaded models of an evaluation, so that the heat maps need not load a model again.

Loading an exported model takes a second or more, however few weights it has: TensorFlow builds
Python objects for all operations of all its functions.
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
    """A context in which the models that TFMA and `load_kept_model` load are kept in memory."""
    with _models.keep():
        yield


def load_kept_model(directory: str) -> Any:
    """Returns the SavedModel in `directory`, and loads it unless it is kept in memory."""
    return _load_once(directory, functools.partial(tf.saved_model.load, directory))


def make_tfma_keep(models: Sequence[Any]) -> None:
    """Makes TFMA use the models that this module keeps.

    Models that are loaded in another process, as by the workers of a cluster, are not kept.

    Args:
      models: `tfma.types.EvalSharedModel`s.
    """
    for model in models:
        loader = model.model_loader
        loader.construct_fn = functools.partial(_load_once, model.model_path, loader.construct_fn)


# A function, since TFMA pickles the loader: a method would be pickled with its object.
def _load_once(directory: str, load: Callable[[], Any]) -> Any:
    return _models.get(directory, load)
