"""Keeps the models of an evaluation in memory, so that they are loaded once for TFMA and heat maps.

Loading an exported model takes a second or more, even if it has few weights, because TensorFlow
builds Python objects for all operations of the model's functions.
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
    """Returns the SavedModel in `directory`; loads the model only if it is not in memory yet."""
    return _load_once(directory, functools.partial(tf.saved_model.load, directory))


def make_tfma_keep(models: Sequence[Any]) -> None:
    """Makes TFMA use the models that this module keeps.

    Models are kept only in a process that is inside the context `keep_models`. On a cluster, TFMA
    loads the models in Beam's worker processes, where the models are not kept.

    Args:
      models: `tfma.types.EvalSharedModel`s.
    """
    for model in models:
        loader = model.model_loader
        loader.construct_fn = functools.partial(_load_once, model.model_path, loader.construct_fn)


# `_load_once` is a function because TFMA pickles the loader. If `_load_once` were a method, TFMA
# would pickle the object of the method as well.
def _load_once(directory: str, load: Callable[[], Any]) -> Any:
    return _models.get(directory, load)
