"""Which split an image belongs to."""

import hashlib

from components.image_example_gen.sources.base import TEST, TRAIN

VALIDATION = "validation"
SPLITS = (TRAIN, VALIDATION, TEST)
_BUCKETS = 10  # one for each of validation and test, the rest for train


def choose_split(encoded: bytes, source_split: str, source_has_test: bool) -> str:
    """The split of an image, from the SHA-256 of its source bytes alone.

    So two copies of one image never straddle two splits, and an image never moves when others
    come or go. Where the source has its own test split, that is `test`, and `validation` is cut
    from its train split; otherwise the cut is 80/10/10.

    Args:
      encoded: the image's bytes as its source has them, before any re-encoding.
      source_split: the source's own split, "train" or "test".
      source_has_test: whether the source has a test split of its own.
    """
    if source_split == TEST:
        return TEST
    bucket = int.from_bytes(hashlib.sha256(encoded).digest()[:8], "big") % _BUCKETS
    if bucket == 0:
        return VALIDATION
    return TEST if bucket == 1 and not source_has_test else TRAIN
