"""Finds class names that people would take for the same name.

This module does not import TensorFlow, which takes seconds to import.
"""

import unicodedata
from collections import defaultdict
from collections.abc import Iterable


def similar_names(names: Iterable[str]) -> list[list[str]]:
    """Returns groups of names that differ only in case or in Unicode normalisation.

    Names that differ only in case can belong to one class: `Roses` and `roses` are two folders on
    Linux, but the same folder on macOS. Most systems write the letter "ä" as one code point, but
    some file systems of macOS write it as two code points.
    """
    groups = defaultdict(list)
    for name in names:
        groups[unicodedata.normalize("NFKC", name.casefold())].append(name)
    return [group for group in groups.values() if len(group) > 1]
