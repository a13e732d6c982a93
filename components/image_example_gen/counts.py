"""What became of the images of a source, as written beside the examples."""

import json
from collections import Counter
from collections.abc import Mapping
from typing import Any

from tfx.dsl.io import fileio

from components.image_example_gen.split import SPLITS

# Both lie in the Examples artifact, beside its Split-… folders.
QUARANTINE_FILE = "quarantine.jsonl"
COUNTS_FILE = "counts.json"

READ = "read"
QUARANTINE = "quarantine"
_KEYS = (READ, *SPLITS, QUARANTINE)
_BY_LABEL = "by_label"


def format_counts(tallies: Mapping[tuple[str, int], int]) -> str:
    """What COUNTS_FILE says.

    Args:
      tallies: numbers of images by what became of them (READ, a split, QUARANTINE) and label.
    """
    totals: Counter[str] = Counter()
    by_label: dict[str, dict[str, int]] = {key: {} for key in _KEYS}
    for (key, label), count in sorted(tallies.items()):
        totals[key] += count
        by_label[key][str(label)] = count
    return json.dumps({key: totals[key] for key in _KEYS} | {_BY_LABEL: by_label})


def read_counts(uri: str) -> dict[str, int]:
    """How many images were read, written to each split, and quarantined.

    Args:
      uri: of the Examples artifact.

    Returns:
      The keys are READ, the splits, and QUARANTINE; the first is the sum of the others.
    """
    counts = _read(uri)
    return {key: counts[key] for key in _KEYS}


def read_counts_of_classes(uri: str, classes: int) -> dict[str, list[int]]:
    """As `read_counts`, but the numbers of each class, by label.

    Args:
      uri: of the Examples artifact.
      classes: how many there are; labels that are none of them are left out.
    """
    counts = _read(uri)[_BY_LABEL]
    return {key: [counts[key].get(str(label), 0) for label in range(classes)] for key in _KEYS}


def _read(uri: str) -> dict[str, Any]:
    with fileio.open(f"{uri}/{COUNTS_FILE}") as file:
        return json.loads(file.read())
