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
    """Returns the SavedModel in `directory`. Loads it only if it is not in memory already."""
    return _load_once(directory, functools.partial(tf.saved_model.load, directory))


def make_tfma_keep(models: Sequence[Any]) -> None:
    """Makes TFMA use the models that this module keeps.

    The worker processes of a cluster do not keep the models that they load.

    Args:
      models: `tfma.types.EvalSharedModel`s.
    """
    for model in models:
        loader = model.model_loader
        loader.construct_fn = functools.partial(_load_once, model.model_path, loader.construct_fn)


# This is a function and not a method because TFMA pickles the loader: pickling a method would also
# pickle its object.
def _load_once(directory: str, load: Callable[[], Any]) -> Any:
    return _models.get(directory, load)
