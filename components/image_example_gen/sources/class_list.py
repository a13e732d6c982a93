"""Assigns labels to the class names that the user gave, or that the data contain.

This module does not import TensorFlow, which takes seconds to import.
"""

from collections.abc import Collection, Sequence

from common.errors import InputError, did_you_mean


class ClassList:
    """Class names and their labels."""

    def __init__(self, given: Sequence[str], found: Collection[str], where: str) -> None:
        """
        Args:
          given: the names that the user gave, in the order of the labels; if empty, the names in
            the data are used.
          found: the class names in the data; if `given` is empty, their order determines the
            labels.
          where: the path or URI of the data, for error messages.

        Raises:
          InputError: the user gave a name twice, or the data have a class that the user did not
            give.
        """
        self.names = tuple(given) or tuple(found)
        self._labels = {name: label for label, name in enumerate(self.names)}
        if len(self._labels) < len(self.names):
            twice = next(name for name in self.names if self.names.count(name) > 1)
            raise InputError(f"ingest.classes: found {twice} twice; expected each class once")
        for name in sorted(found):
            if name not in self._labels:
                raise InputError(
                    f"{where}: found the class {name}; expected one of ingest.classes "
                    f"({', '.join(self.names[:5])}{', …' if len(self.names) > 5 else ''}): add it "
                    f"there, or remove its images"
                    + (f"; {meant}" if (meant := did_you_mean(name, self.names)) else "")
                )

    def label(self, name: str) -> int:
        """Returns the label of the class `name`: a whole number, counted from 0."""
        return self._labels[name]


def sort_names(names: Collection[str]) -> list[str]:
    """Sorts class names; if all are whole numbers, by their values, so that 10 follows 9."""
    are_numbers = all(name.isascii() and name.isdecimal() for name in names)
    return sorted(names, key=int) if are_numbers else sorted(names)
