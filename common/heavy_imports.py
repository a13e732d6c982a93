"""Imports large libraries in less time."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def heavy_imports() -> Iterator[None]:
    """A context in which to import large libraries, such as TensorFlow and TFX.

    The functions and classes of such libraries are millions of objects that live as long as the
    process. Python searches all these objects for garbage again and again, during the imports and
    afterwards. In the context, Python does not search for garbage; after the context, the search
    leaves out all objects that exist at its end.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if was_enabled:
            gc.enable()
