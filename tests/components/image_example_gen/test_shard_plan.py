import dataclasses
import random

import pytest

from components.image_example_gen.shard_plan import (
    SHARD_BYTES,
    Shard,
    format_plan,
    plan_shards,
    read_plan,
)
from components.image_example_gen.sources.base import SPLITS, ImageReference


def images(count: int, size: int) -> list[ImageReference]:
    return [
        ImageReference(f"c{n % 5}/{n}.jpg", n % 5, f"/data/c{n % 5}/{n}.jpg", size, f"{n:064}")
        for n in range(count)
    ]


def plan(listed: list[ImageReference], split: str = "train") -> list[Shard]:
    return list(plan_shards(listed, [split] * len(listed)))


@pytest.mark.parametrize(
    ("count", "size", "split", "shards"),
    [
        (799, 1000, "train", 1),
        (800, 1000, "train", 8),
        (800, 1000, "validation", 1),
        (1000, SHARD_BYTES // 100, "train", 10),
        (1001, SHARD_BYTES // 100, "test", 11),
        (1, 10 * SHARD_BYTES, "test", 1),
        (800, 0, "train", 8),
    ],
)
def test_number_of_shards(count, size, split, shards):
    planned = plan(images(count, size), split)
    assert [(shard.split, shard.index, shard.count) for shard in planned] == [
        (split, index, shards) for index in range(shards)
    ]
    sizes = [sum(image.size for image in shard.images) for shard in planned]
    assert max(sizes) - min(sizes) <= 2 * size
    assert all(shard.images for shard in planned)


def test_every_image_is_in_one_shard_of_its_split():
    listed = images(1000, 10)
    splits = [SPLITS[n % 3] for n in range(1000)]
    planned = list(plan_shards(listed, splits))
    where = {image: shard.split for shard in planned for image in shard.images}
    assert where == dict(zip(listed, splits, strict=True))
    assert sum(len(shard.images) for shard in planned) == 1000


def test_the_plan_depends_only_on_the_data():
    listed = images(1000, 10)
    shuffled = random.Random(0).sample(listed, len(listed))
    assert plan(shuffled) == plan(listed)


def test_classes_are_mixed():
    for shard in plan(images(1000, 10)):
        assert {image.label for image in shard.images[:30]} == set(range(5))


def test_plans_are_read_as_they_were_written():
    """The plan has a file name that is not UTF-8."""
    (shard,) = plan([ImageReference("c0/\udce9.jpg", 0, "/c0/\udce9.jpg", 0, "", "test", "a\nb")])
    read, found = read_plan(format_plan(shard).splitlines())
    assert list(found) == shard.images
    assert read == dataclasses.replace(shard, images=())
