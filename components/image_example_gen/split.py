"""Assigns images to splits."""

import hashlib
from collections.abc import Iterable, Iterator, Sequence

from components.image_example_gen.sources.base import (
    NO_LABEL,
    SPLITS,
    TEST,
    TRAIN,
    VALIDATION,
    ImageReference,
)

_BUCKETS = 10
# A tenth of the images each; the rest is for training.
_BUCKET_OF = {VALIDATION: 0, TEST: 1}


def assign_splits(images: Sequence[ImageReference]) -> list[str]:
    """Returns the split of each image.

    A split that the source gives is kept. If the source has no validation or no test split, that
    split is cut from the other images, which are those of its train split and those without one: a
    tenth of them, by the digest of an image, or by its group if it has one. So copies of an image
    are always in the same split, and an image stays in its split when other images are added or
    removed.

    There is one exception: if a class has at least one different image for each of the splits that
    are cut (three if the source gives none), each of them has at least one. A split that would have
    none gets an image of the split that has the most, the one with the lowest digest. When images
    are added to such a class, that image may return to its own split.

    Args:
      images: all images of the source.
    """
    given = {image.split for image in images}
    cut = (TRAIN, *(split for split in (VALIDATION, TEST) if split not in given))
    keys = _keys(images)
    free = [
        (key, image.label)
        for key, image in zip(keys, images, strict=True)
        if key and image.split in ("", TRAIN)
    ]
    splits = {key: _split_of(key, cut) for key, _ in free}
    for keys_of_class in _keys_by_class(free):
        _fill_empty(splits, keys_of_class, cut)
    return [
        splits.get(key, TRAIN) if image.split in ("", TRAIN) else image.split
        for key, image in zip(keys, images, strict=True)
    ]


def _keys(images: Sequence[ImageReference]) -> list[str]:
    """Returns for each image the digest of what is never divided, 64 hex digits.

    It is the digest of the image or of its group. Groups that share an image have one key. The key
    is empty for an image that could not be read and has no group.
    """
    keys = [_hash(image.group) if image.group else image.digest for image in images]
    if not any(image.group for image in images):
        return keys
    parents: dict[str, str] = {}

    def find(key: str) -> str:
        while (parent := parents.get(key, key)) != key:
            parents[key] = parents.get(parent, parent)
            key = parent
        return key

    for key, image in zip(keys, images, strict=True):
        if image.digest:
            first, second = sorted((find(key), find(image.digest)))
            parents[second] = first
    return [find(key) for key in keys]


def _hash(group: str) -> str:
    return hashlib.sha256(group.encode(errors="surrogateescape")).hexdigest()


def _split_of(key: str, cut: Sequence[str]) -> str:
    bucket = int(key[:16], 16) % _BUCKETS
    return next((split for split in cut if _BUCKET_OF.get(split) == bucket), TRAIN)


def _keys_by_class(labelled: Iterable[tuple[str, int]]) -> Iterator[list[str]]:
    """Yields the sorted keys of each class that no other class has.

    Args:
      labelled: key and label of each image.
    """
    label_of: dict[str, int] = {}
    for key, label in labelled:
        # An image in two classes stays where it is, since a move would change both.
        label_of[key] = label if label_of.get(key, label) == label else NO_LABEL
    by_label: dict[int, list[str]] = {}
    for key, label in label_of.items():
        if label != NO_LABEL:
            by_label.setdefault(label, []).append(key)
    for _, keys in sorted(by_label.items()):
        yield sorted(keys)


def _fill_empty(splits: dict[str, str], keys: Sequence[str], cut: Sequence[str]) -> None:
    """Changes `splits` so that each split in `cut` has one of `keys`, if there are enough."""
    if len(keys) < len(cut):
        return
    members: dict[str, list[str]] = {split: [] for split in cut}
    for key in keys:
        members[splits[key]].append(key)
    for split in sorted(cut, key=SPLITS.index, reverse=True):
        if not members[split]:
            fullest = max(cut, key=lambda other: len(members[other]))
            moved = members[fullest].pop(0)
            splits[moved] = split
            members[split].append(moved)
