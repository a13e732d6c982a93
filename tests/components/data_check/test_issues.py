"""Tests of the data check on generated images."""

import io
import json

import numpy as np
import PIL.Image
import PIL.ImageFilter
import PIL.ImageOps
import pytest

from components.data_check.issues import (
    BLANK,
    BLURRED,
    CONFLICT,
    DARK,
    DUPLICATE,
    LEAK,
    SHORTCUT,
    TINY,
    count_leaks,
    find_issues,
    format_issues,
)
from components.data_check.measure import measure_image

CLASSES = ("cat", "dog", "emu")


def draw(seed, size=(160, 120)):
    """Returns an image of coloured patches, drawn with the random seed `seed`."""
    patches = np.random.default_rng(seed).integers(0, 255, (9, 12, 3), dtype=np.uint8)
    return PIL.Image.fromarray(patches).resize(size, PIL.Image.Resampling.BOX)


def encode(image, quality=90):
    file = io.BytesIO()
    image.save(file, "JPEG", quality=quality)
    return file.getvalue()


def record(image, name, *, split="train", label=0, quality=90):
    return measure_image(encode(image, quality), file_name=name, split=split, label=label)


@pytest.fixture(scope="module")
def others():
    return [record(draw(seed), f"{seed}.jpg", label=seed % 3) for seed in range(60)]


@pytest.mark.parametrize(
    "change",
    [
        lambda image: image,
        lambda image: image.resize((112, 84)),
        PIL.ImageOps.mirror,
        lambda image: image.crop((4, 3, 156, 117)),  # cuts 2.5 % off each of the four sides
        lambda image: image.crop((8, 6, 160, 120)),  # cuts 5 % off the left and the top
    ],
    ids=["encoded again", "smaller", "mirrored", "cropped", "cropped at a corner"],
)
def test_a_near_duplicate_is_found_and_nothing_else(others, change):
    again = record(change(draw(7)), "again.jpg", split="test", label=1, quality=60)
    (issue,) = [issue for issue in find_issues([*others, again], CLASSES) if issue.other]
    assert (issue.kind, issue.file_name, issue.other) == (LEAK, "again.jpg", "7.jpg")
    assert (issue.split, issue.other_split, issue.other_label) == ("test", "train", "dog")
    assert count_leaks([issue]) == 1


def test_near_duplicates_within_a_split(others):
    same, other = record(draw(7), "same.jpg", label=1), record(draw(8), "other.jpg", label=0)
    issues = find_issues([*others, same, other], CLASSES)
    assert {issue.kind: issue.file_name for issue in issues if issue.other} == {
        CONFLICT: "8.jpg",
        DUPLICATE: "7.jpg",
    }
    assert count_leaks(issues) == 0


def test_images_with_unusual_pixels(others):
    odd = {
        TINY: draw(100, (40, 20)),
        BLANK: PIL.Image.new("RGB", (100, 100), "red"),
        DARK: draw(101).point(lambda value: max(value - 190, 0)),
        BLURRED: draw(102).filter(PIL.ImageFilter.GaussianBlur(12)),
    }
    records = [*others, *(record(image, kind) for kind, image in odd.items())]
    found = {issue.kind: issue.file_name for issue in find_issues(records, CLASSES)}
    assert {kind: found.get(kind) for kind in odd} == {kind: kind for kind in odd}


def test_a_property_of_most_images_is_a_single_issue(others):
    tiny = [record(draw(seed, (20, 20)), f"t{seed}") for seed in range(70)]
    (issue,) = [i for i in find_issues([*others, *tiny], CLASSES) if i.kind == TINY]
    assert issue.detail == "70 of 130 images are affected"


def test_a_size_or_format_of_a_single_class_is_a_shortcut(others):
    wide = [record(draw(200 + n, (200, 120)), f"{n}.webp", label=2) for n in range(40)]
    found = [i for i in find_issues([*others, *wide], CLASSES) if i.kind == SHORTCUT]
    details = " ".join(issue.detail for issue in found)
    assert {issue.label for issue in found} == {"emu"}
    assert "have the size 200 x 120" in details
    assert "have the format webp" in details


def test_the_list_has_a_line_of_json_for_each_issue(others):
    issues = find_issues([*others, record(draw(7), "same.jpg", label=1)], CLASSES)
    lines = format_issues(issues).splitlines()
    assert [json.loads(line)["kind"] for line in lines] == [issue.kind for issue in issues]
