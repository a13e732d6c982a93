"""Findings about the data, and their table. Imports no TensorFlow."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple


class Finding(NamedTuple):
    """A value in the data that is not as expected.

    Attributes:
      what: a few words for the anomaly.
      where: the split and the feature, or the images.
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
