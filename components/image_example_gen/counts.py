"""Counts of the images that ImageExampleGen read, wrote and quarantined."""

import json
from collections import Counter
from collections.abc import Mapping
from typing import Any

from tfx.dsl.io import fileio

from common.errors import InputError
from common.example_counts import BY_LABEL, COUNTS_FILE
from components.image_example_gen.sources.base import SPLITS

# `quarantine.jsonl` is in the directory of the Examples artifact, next to the Split-… directories.
QUARANTINE_FILE = "quarantine.jsonl"

READ = "read"
QUARANTINE = "quarantine"
# Under the key `DEEP`, `counts.json` contains the number of images with 16 bits per channel for
# which ImageExampleGen assumed that the value 65535 is white. Under the key `DARK`, `counts.json`
# states how many of the images under `DEEP` have no value above 4095. A 16-bit image with no value
# above 4095 looks nearly black, and probably comes from a 12-bit camera, as in microscopes and
# scanners.
DEEP, DARK = "16_bits", "16_bits_dark"
_REASONS = "reasons"
_KEYS = (READ, *SPLITS, QUARANTINE)


def format_counts(
    tallies: Mapping[tuple[str, int], int], reasons: Mapping[str, int] | None = None
) -> str:
    """Returns the content of the file `COUNTS_FILE`, as JSON.

    Args:
      tallies: maps each pair (key, label) to the number of images. A key is READ, a split,
        QUARANTINE, DEEP or DARK.
      reasons: the number of quarantined images for each reason.
    """
    totals: Counter[str] = Counter()
    by_label: dict[str, dict[str, int]] = {key: {} for key in _KEYS}
    for (key, label), count in sorted(tallies.items()):
        totals[key] += count
        by_label.setdefault(key, {})[str(label)] = count
    counts: dict[str, Any] = {key: totals[key] for key in (*_KEYS, DEEP, DARK)}
    return json.dumps(counts | {BY_LABEL: by_label, _REASONS: dict(reasons or {})})


def read_counts(uri: str) -> dict[str, int]:
    """Returns how many images were read, were written to each split, and were quarantined.

    Args:
      uri: URI of the Examples artifact.

    Returns:
      A dictionary with the keys READ, QUARANTINE and the names of the splits. The number for READ
      is the sum of all other numbers.
    """
    counts = _read(uri)
    return {key: counts[key] for key in _KEYS}


def read_reasons(uri: str) -> dict[str, int]:
    """Returns the number of quarantined images for each reason, the most frequent reason first.

    Args:
      uri: URI of the Examples artifact.
    """
    return dict(Counter(_read(uri)[_REASONS]).most_common())


def read_depths(uri: str) -> tuple[int, int]:
    """Returns the two numbers of images that `counts.json` contains under `DEEP` and `DARK`.

    Args:
      uri: URI of the Examples artifact.
    """
    counts = _read(uri)
    return counts[DEEP], counts[DARK]


def read_counts_of_classes(uri: str, classes: int) -> dict[str, list[int]]:
    """Like `read_counts`, but returns separate numbers for each class.

    Args:
      uri: URI of the Examples artifact.
      classes: the number of classes; images whose label is not one of these classes are not
        counted.

    Returns:
      A dictionary with the same keys as the result of `read_counts`. Each value of the dictionary
      is a list with the number of images of each class.
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
