"""Assigns the images of each split to shards, depending only on the list of images.

A shard is a TFRecord file.
"""

import dataclasses
import hashlib
import itertools
import json
import math
import os
from collections.abc import Iterable, Iterator, Sequence

from components.image_example_gen.sources.base import SPLITS, TRAIN, ImageReference

SHARD_BYTES = 128_000_000  # approximate total size of a shard's images, as files of the source
# A train split of at least 800 images has at least 8 shards, so that training can read several
# shards at a time.
_TRAIN_SHARDS, _TRAIN_IMAGES = 8, 800


@dataclasses.dataclass(frozen=True)
class Shard:
    """A shard: the images of one TFRecord file.

    Attributes:
      split: the name of the split.
      index: the index of this shard in its split.
      count: the number of shards in the split.
      images: the images, in the order in which they are written.
    """

    split: str
    index: int
    count: int
    images: Sequence[ImageReference]


def plan_shards(images: Sequence[ImageReference], splits: Sequence[str]) -> Iterator[Shard]:
    """Yields the shards of all splits. Each shard has about `SHARD_BYTES` bytes of images.

    A train split of 800 images or more has at least 8 shards, so that training can read several
    shards at a time. The shards depend only on the arguments, and not on the Beam runner or the
    number of workers.

    Within a split, the images are in a random order, which is the same in every run. If the images
    were stored class by class, the Trainer's shuffle buffer would be too small to mix the classes.

    Args:
      images: all images of the source.
      splits: the split of each image.
    """
    members: dict[str, list[ImageReference]] = {split: [] for split in SPLITS}
    for image, split in zip(images, splits, strict=True):
        members[split].append(image)
    for split, found in members.items():
        found.sort(key=lambda image: hashlib.sha256(os.fsencode(image.file_name)).digest())
        parts = list(_divide(found, _count(split, found)))
        for index, part in enumerate(parts):
            yield Shard(split, index, len(parts), part)


def _count(split: str, images: Sequence[ImageReference]) -> int:
    count = math.ceil(sum(image.size for image in images) / SHARD_BYTES)
    is_parallel = split == TRAIN and len(images) >= _TRAIN_IMAGES
    return max(count, _TRAIN_SHARDS if is_parallel else 1)


def _divide(images: Sequence[ImageReference], count: int) -> Iterator[Sequence[ImageReference]]:
    """Divides images into at most `count` nonempty consecutive parts of about equal total size."""
    # Add one byte to each size, because an image whose file could not be read has the size 0, but
    # must also be put into a shard.
    ends = list(itertools.accumulate(image.size + 1 for image in images))
    start = 0
    for part in range(1, count + 1):
        target = ends[-1] * part / count if ends else 0
        stop = start
        while stop < len(images) and ends[stop] <= target:
            stop += 1
        if stop > start:
            yield images[start:stop]
        start = stop


def format_plan(shard: Shard) -> str:
    """Returns a shard as JSON Lines.

    The first line contains the attributes `split`, `index` and `count` of the shard. Each line
    after the first contains the attributes of one image.
    """
    lines = [(shard.split, shard.index, shard.count), *shard.images]
    return "".join(f"{json.dumps(line)}\n" for line in lines)


def read_plan(lines: Iterable[str]) -> tuple[Shard, Iterator[ImageReference]]:
    """Parses the lines that `format_plan` returned.

    Returns:
      A `Shard` whose attribute `images` is empty, and an iterator over the images of the shard.
    """
    rows = map(json.loads, lines)
    split, index, count = next(rows)
    return Shard(split, index, count, ()), (ImageReference(*row) for row in rows)
