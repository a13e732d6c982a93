"""Counts of the images that ImageExampleGen read, wrote and quarantined."""

import json
from collections import Counter
from collections.abc import Mapping
from typing import Any

from tfx.dsl.io import fileio

from common.errors import InputError
from common.example_counts import BY_LABEL, COUNTS_FILE
from components.image_example_gen.sources.base import SPLITS

# The file lies in the Examples artifact, beside its Split-… folders.
QUARANTINE_FILE = "quarantine.jsonl"

READ = "read"
QUARANTINE = "quarantine"
# `DEEP` counts the images with 16 bits per channel in which 65535 was taken as white; `DARK` counts
# those among them without a value above 4095. Such dark images probably come from the 12-bit
# cameras of microscopes and scanners.
DEEP, DARK = "16_bits", "16_bits_dark"
_REASONS = "reasons"
_KEYS = (READ, *SPLITS, QUARANTINE)


def format_counts(
    tallies: Mapping[tuple[str, int], int], reasons: Mapping[str, int] | None = None
) -> str:
    """Formats the content of COUNTS_FILE.

    Args:
      tallies: numbers of images by a key (READ, a split, QUARANTINE, DEEP or DARK) and a label.
      reasons: numbers of images in quarantine by their reasons.
    """
    totals: Counter[str] = Counter()
    by_label: dict[str, dict[str, int]] = {key: {} for key in _KEYS}
    for (key, label), count in sorted(tallies.items()):
        totals[key] += count
        by_label.setdefault(key, {})[str(label)] = count
    counts: dict[str, Any] = {key: totals[key] for key in (*_KEYS, DEEP, DARK)}
    return json.dumps(counts | {BY_LABEL: by_label, _REASONS: dict(reasons or {})})


def read_counts(uri: str) -> dict[str, int]:
    """Returns the numbers of images that were read, written to each split, and quarantined.

    Args:
      uri: URI of the Examples artifact.

    Returns:
      Numbers by READ, the splits, and QUARANTINE; the number of READ is the sum of all others.
    """
    counts = _read(uri)
    return {key: counts[key] for key in _KEYS}


def read_reasons(uri: str) -> dict[str, int]:
    """Returns the numbers of images in quarantine by their reasons, the commonest first.

    Args:
      uri: URI of the Examples artifact.
    """
    return dict(Counter(_read(uri)[_REASONS]).most_common())


def read_depths(uri: str) -> tuple[int, int]:
    """Returns the numbers of images under the keys `DEEP` and `DARK`.

    Args:
      uri: URI of the Examples artifact.
    """
    counts = _read(uri)
    return counts[DEEP], counts[DARK]


def read_counts_of_classes(uri: str, classes: int) -> dict[str, list[int]]:
    """Returns the numbers that `read_counts` returns, for each class.

    Args:
      uri: URI of the Examples artifact.
      classes: number of classes; images with another label are left out.

    Returns:
      Lists of numbers, in the order of the labels, by the keys of `read_counts`.
    """
    counts = _read(uri)[BY_LABEL]
    return {key: [counts[key].get(str(label), 0) for label in range(classes)] for key in _KEYS}


def _read(uri: str) -> dict[str, Any]:
    file = f"{uri}/{COUNTS_FILE}"
    with fileio.open(file) as stream:
        text = stream.read()
    try:
        return json.loads(text)
    except ValueError as error:
        raise InputError(
            f"{file}: the file is damaged ({error}); expected the numbers of images; remove {uri}, "
            "and the next run creates the examples again"
        ) from error
