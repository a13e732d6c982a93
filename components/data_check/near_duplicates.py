"""Finds images that look the same. Imports neither TensorFlow nor TFX."""

from collections.abc import Iterator, Sequence

import numpy as np

from components.data_check.measure import SIDE, ImageRecord

# Two images look the same if a view of one and the other correlate at least so much; see
# `components.data_check.measure`.
LEAST_LIKENESS = 0.95
_BANDS, _BITS = 4, 16
# If more images than this share a band, such as all blank ones, the band does not tell them apart.
_COMMON = 200


def find_near_duplicates(records: Sequence[ImageRecord]) -> list[tuple[int, int, float]]:
    """Finds pairs of images that look the same.

    An image is found though it is encoded again, smaller, cropped by up to 5 %, or mirrored.
    Candidates share 16 of the 64 bits of a perceptual hash, so time grows little faster than the
    number of images; each is confirmed by comparing small grey images.

    Returns:
      The indices of both images, the smaller one first, and their likeness in [0.95, 1]; the most
      alike first.
    """
    if not records:
        return []
    greys = np.stack([record.greys[0] for record in records]).astype(np.float32)
    found: dict[tuple[int, int], float] = {}
    for other, images in _candidates(records):
        views = records[other].greys.astype(np.float32)
        likeness = (greys[images] @ views.T).max(axis=1) / SIDE**2
        for image, value in zip(images.tolist(), likeness.tolist(), strict=True):
            if value >= LEAST_LIKENESS:
                pair = (min(image, other), max(image, other))
                found[pair] = max(found.get(pair, 0.0), min(value, 1.0))
    return sorted(((*pair, value) for pair, value in found.items()), key=lambda pair: -pair[2])


def _candidates(records: Sequence[ImageRecord]) -> Iterator[tuple[int, np.ndarray]]:
    """Yields for each image the images that may look the same, as indices."""
    whole = np.array([record.hashes[0] for record in records], np.uint64)
    buckets: list[dict[int, list[int]]] = [{} for _ in range(_BANDS)]
    for image, hash_ in enumerate(whole.tolist()):
        for band in range(_BANDS):
            buckets[band].setdefault(hash_ >> band * _BITS & 0xFFFF, []).append(image)
    for other, record in enumerate(records):
        near: set[int] = set()
        for hash_ in set(record.hashes.tolist()):
            for band in range(_BANDS):
                bucket = buckets[band].get(hash_ >> band * _BITS & 0xFFFF, ())
                if len(bucket) <= _COMMON:
                    near.update(bucket)
        near.discard(other)
        if near:
            yield other, np.array(sorted(near))
