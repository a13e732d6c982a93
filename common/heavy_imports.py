"""Speeds up the import of large libraries by pausing Python's garbage collection."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def heavy_imports() -> Iterator[None]:
    """A context that pauses garbage collection while TensorFlow or TFX is imported.

    Importing TensorFlow or TFX creates millions of objects, such as functions and classes, which
    live as long as the process. Without this context, the garbage collector would examine millions
    of objects again and again, during the import and later. Inside the context, the garbage
    collector is off. After the context, the garbage collector never examines the objects that
    existed at the end of the context.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if was_enabled:
            gc.enable()
