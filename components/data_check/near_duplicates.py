"""Finds images that look the same.

This module loads quickly, because it imports neither TensorFlow nor TFX.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from components.data_check.views import SIDE, Views

# Two images look the same if the correlation of one image with a view of the other image is at
# least `LEAST_LIKENESS`. A view is the whole image, a crop or the mirror image (see
# `components.data_check.views`).
LEAST_LIKENESS = 0.95
_BANDS, _BITS = 4, 16
# Two images are compared only if the 64-bit perceptual hash of one image and the hash of a view of
# the other image agree in at least one of four bands of 16 bits. An agreement in 16 bits that more
# than `_COMMON` images share, as blank images do, does not count, because comparing so many images
# would be slow.
_COMMON = 200


class Pair(NamedTuple):
    """Two images that look the same.

    Attributes:
      first, second: the indices of the two images; `first` is smaller than `second`.
      likeness: the highest correlation of one image with a view of the other image, in [0.95, 1].
    """

    first: int
    second: int
    likeness: float


def find_near_duplicates(images: Sequence[Views]) -> list[Pair]:
    """Finds pairs of images that look the same.

    The function also finds copies of an image that are re-encoded, mirrored, scaled down, or
    cropped by up to 5 %.

    The function compares the small grey copies of two images only if the images share 16 of the 64
    bits of a perceptual hash, so the running time grows only slightly faster than the number of
    images.

    Args:
      images: the views of each image (see `components.data_check.views`).

    Returns:
      All pairs of images that look the same, the pair with the highest correlation first.
    """
    found: dict[tuple[int, int], float] = {}
    for other, candidates in _candidates(images):
        views = images[other].greys.astype(np.float32)
        greys = np.stack([images[image].greys[0] for image in candidates]).astype(np.float32)
        likeness = (greys @ views.T).max(axis=1) / SIDE**2
        for image, value in zip(candidates, likeness.tolist(), strict=True):
            if value >= LEAST_LIKENESS:
                pair = (min(image, other), max(image, other))
                found[pair] = max(found.get(pair, 0.0), min(value, 1.0))
    pairs = (Pair(*pair, value) for pair, value in found.items())
    return sorted(pairs, key=lambda pair: (-pair.likeness, pair))


def group_images(pairs: Iterable[Pair], count: int) -> list[int]:
    """Groups images so that the two images of each pair are in the same group.

    If the pairs are the edges of a graph, the groups are its connected components.

    Returns:
      For each of `count` images, the smallest index in its group.
    """
    parents = list(range(count))

    def find(image: int) -> int:
        while parents[image] != image:
            parents[image] = image = parents[parents[image]]
        return image

    for pair in pairs:
        smaller, larger = sorted((find(pair.first), find(pair.second)))
        parents[larger] = smaller
    return [find(image) for image in range(count)]


def _candidates(images: Sequence[Views]) -> Iterator[tuple[int, list[int]]]:
    """Yields the index of each image, and the indices of the images to compare with it."""
    buckets: list[dict[int, list[int]]] = [{} for _ in range(_BANDS)]
    for image, views in enumerate(images):
        hash_ = int(views.hashes[0])
        for band in range(_BANDS):
            buckets[band].setdefault(hash_ >> band * _BITS & 0xFFFF, []).append(image)
    for other, views in enumerate(images):
        near: set[int] = set()
        for hash_ in set(views.hashes.tolist()):
            for band in range(_BANDS):
                bucket = buckets[band].get(hash_ >> band * _BITS & 0xFFFF, ())
                if len(bucket) <= _COMMON:
                    near.update(bucket)
        near.discard(other)
        if near:
            yield other, sorted(near)
