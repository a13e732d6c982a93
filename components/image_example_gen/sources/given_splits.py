"""The splits that the data name, under the user's names or common ones. Imports no TensorFlow."""

import fnmatch
from collections.abc import Mapping, Sequence

from components.image_example_gen.sources.layout import split_named


class GivenSplits:
    """Knows which split a name stands for."""

    def __init__(self, named: Mapping[str, Sequence[str]] | None) -> None:
        """
        Args:
          named: the names of each split, with * and ? as in a shell; None or empty for the common
            names.
        """
        self._named = named or {}

    def find(self, name: str) -> str | None:
        """Returns the split that a name stands for; None if it is no name of a split."""
        if not self._named:
            return split_named(name)
        for split, patterns in self._named.items():
            if any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns):
                return split
        return None
