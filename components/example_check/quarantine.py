"""Checks whether too many images are quarantined, and whether 16-bit images are nearly black."""

from collections.abc import Iterator, Sequence
from itertools import islice

from common.errors import RefusedError
from common.notice import print_notice
from common.text import list_first
from components.example_check.findings import Finding
from components.image_example_gen.counts import (
    QUARANTINE,
    QUARANTINE_FILE,
    READ,
    read_counts,
    read_counts_of_classes,
    read_depths,
    read_reasons,
)

_MOST = 1 / 2


def check_quarantine(examples: str, classes: Sequence[str], max_quarantined: float) -> None:
    """Raises an error if too many images are quarantined.

    If more than half the images of a class are quarantined, the function also names the class: in
    the error message, or in a printed notice if there is no error.

    Args:
      examples: URI of the Examples artifact.
      classes: the class names.
      max_quarantined: the largest allowed share of quarantined images, from 0 to 1.

    Raises:
      RefusedError: the share of quarantined images is larger than `max_quarantined`. The message
        names the three most frequent reasons for quarantine.
    """
    counts = read_counts(examples)
    read, quarantined = counts[READ], counts[QUARANTINE]
    lost = list(_lost_classes(examples, classes))
    named = f"most images of the class {list_first(lost)}" if lost else ""
    if quarantined > max_quarantined * read:
        reasons = islice(read_reasons(examples).items(), 3)
        raise RefusedError(
            f"{quarantined} of {read} images are quarantined "
            f"({', '.join(f'{reason}: {count}' for reason, count in reasons)})"
            f"{', among them ' if named else ''}{named}; expected at most {max_quarantined:.1%}: "
            f"see {examples}/{QUARANTINE_FILE}, and repair or remove these images, or allow more "
            "with ingest.max_quarantined"
        )
    if named:
        print_notice(f"In quarantine: {named}; see {examples}/{QUARANTINE_FILE}.")


def _lost_classes(examples: str, classes: Sequence[str]) -> Iterator[str]:
    counts = read_counts_of_classes(examples, len(classes))
    for name, read, quarantined in zip(classes, counts[READ], counts[QUARANTINE], strict=True):
        if quarantined > _MOST * read:
            yield f"{name} ({quarantined} of {read})"


def find_dark_images(examples: str) -> Iterator[Finding]:
    """Yields a `Finding` if most images with 16 bits per channel have values of at most 12 bits.

    Images with values of at most 12 bits look nearly black, because ImageExampleGen assumes that
    the value 65535 is white.

    Args:
      examples: URI of the Examples artifact.
    """
    deep, dark = read_depths(examples)
    if dark > _MOST * deep:
        yield Finding(
            "nearly black images",
            "images with 16 bits per channel",
            "values up to 65535, which is white",
            f"{dark} of {deep} have no value above 4095: give the value of white, such as "
            "ingest.max_value=4095 (or 65535 if the images are really this dark)",
        )
