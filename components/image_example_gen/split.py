"""Assigns images to splits."""

import hashlib

from components.image_example_gen.sources.base import TEST, TRAIN

VALIDATION = "validation"
SPLITS = (TRAIN, VALIDATION, TEST)
_BUCKETS = 10  # validation and test have one bucket each, train has the others


def choose_split(encoded: bytes, source_split: str, source_has_test: bool) -> str:
    """Chooses the split of an image by the SHA-256 of its source bytes.

    So copies of an image are always in the same split, and an image stays in its split when other
    images are added or removed. The shares are 80 % train, 10 % validation and 10 % test. If the
    source has a test split of its own, that is kept, and 10 % of its train split are validation.

    Args:
      encoded: the bytes of the image in its source, before any re-encoding.
      source_split: the split of the image in its source, "train" or "test".
      source_has_test: whether the source has a test split.
    """
    if source_split == TEST:
        return TEST
    bucket = int.from_bytes(hashlib.sha256(encoded).digest()[:8], "big") % _BUCKETS
    if bucket == 0:
        return VALIDATION
    return TEST if bucket == 1 and not source_has_test else TRAIN
