"""Findings (values in the data that are not as expected), and a table that shows them.

This module does not import TensorFlow, which takes seconds to import.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple


class Finding(NamedTuple):
    """A difference between the data and what the schema or a check expects of them.

    Attributes:
      what: a short name of the anomaly.
      where: the affected split and feature, or the affected images.
      expected: the expected values.
      found: the values that were found.
    """

    what: str
    where: str
    expected: str
    found: str


def format_table(findings: Sequence[Finding]) -> Iterator[str]:
    """Yields the lines of a table; no lines if there are no findings."""
    if not findings:
        return
    rows = [Finding("ANOMALY", "WHERE", "EXPECTED", "FOUND"), *findings]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        yield "  ".join(map(str.ljust, row, widths)).rstrip()
