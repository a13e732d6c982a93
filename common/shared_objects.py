"""Creates objects only once inside a context."""

import contextlib
from collections.abc import Callable, Hashable, Iterator
from typing import Any, TypeVar

_Object = TypeVar("_Object")


class SharedObjects:
    """Objects that are expensive to create, and that are kept in memory inside a context only.

    Outside the context, no object is kept: a Beam worker is a long-lived process, and would keep
    unneeded objects in memory.
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
        """Returns `create()`; inside `keep`, the result of the first call with the same key."""
        if not self._kept:
            return create()
        if key not in self._kept[-1]:
            self._kept[-1][key] = create()
        return self._kept[-1][key]
