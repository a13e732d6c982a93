"""Finds the split to which a folder name, a file name or a name in a manifest refers.

This module does not import TensorFlow, which takes seconds to import.
"""

import fnmatch
from collections.abc import Mapping, Sequence

from components.image_example_gen.sources.layout import split_named


class GivenSplits:
    """The names by which a dataset refers to its splits."""

    def __init__(self, named: Mapping[str, Sequence[str]] | None) -> None:
        """
        Args:
          named: for each split, the names that the user gave, which may contain the wildcards * and
            ?; if None or empty, common names such as `val` and `training` are recognised.
        """
        self._named = named or {}

    def find(self, name: str) -> str | None:
        """Returns the split that `name` refers to; None if `name` is not the name of a split."""
        if not self._named:
            return split_named(name)
        for split, patterns in self._named.items():
            if any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns):
                return split
        return None
