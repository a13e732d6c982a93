"""A cache for objects that are slow to create, which is emptied at the end of a context."""

import contextlib
from collections.abc import Callable, Hashable, Iterator
from typing import Any, TypeVar

_Object = TypeVar("_Object")


class SharedObjects:
    """A cache for objects that are slow to create.

    The cache keeps objects only inside the context `keep`. Outside `keep`, every call of `get`
    creates a new object. At the end of the context `keep`, the cache drops its objects, so that a
    long-lived process such as a Beam worker does not keep them in memory.
    """

    def __init__(self) -> None:
        self._kept: list[dict[Hashable, Any]] = []  # one dictionary for each open context

    @contextlib.contextmanager
    def keep(self) -> Iterator[None]:
        """A context in which `get` creates each object only once."""
        self._kept.append({})
        try:
            yield
        finally:
            self._kept.pop()

    def get(self, key: Hashable, create: Callable[[], _Object]) -> _Object:
        """Returns `create()`. Inside `keep`, calls with the same key get the same object."""
        if not self._kept:
            return create()
        if key not in self._kept[-1]:
            self._kept[-1][key] = create()
        return self._kept[-1][key]
