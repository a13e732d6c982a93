"""A cache for expensive objects, which is emptied at the end of a context."""

import contextlib
from collections.abc import Callable, Hashable, Iterator
from typing import Any, TypeVar

_Object = TypeVar("_Object")


class SharedObjects:
    """A cache for expensive objects, which works only inside the context `keep`.

    At the end of the context, the cache drops its objects. Without a context, a Beam worker, which
    is a long-lived process, would keep unneeded objects in memory.
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
        """Returns `create()`. Inside `keep`, `create` is called only once for each key."""
        if not self._kept:
            return create()
        if key not in self._kept[-1]:
            self._kept[-1][key] = create()
        return self._kept[-1][key]
