"""Tests of the summary that a run prints about its images before the first node starts."""

import dataclasses

import pytest

from common.errors import RefusedError
from components.image_example_gen.sources.registry import make_source
from pipeline.found_images import find_images
from tests.conftest import class_folder, encode, gradient


def images(found):
    return found.describe()["images"]


def test_a_folder_of_classes(tmp_path):
    folder = class_folder(tmp_path, images=20, classes=3)
    for n in range(4):
        (folder / "c1" / f"{n}.JPG").write_bytes(encode(gradient(9 + n, 9), "JPEG"))
    (folder / "c2" / "0.png").unlink()
    found = find_images(make_source({"kind": "folder", "path": str(folder)}))
    size = sum(path.stat().st_size for path in folder.glob("*/*"))
    assert found.size == size
    assert found.describe() == {
        "images": f"63, {size / 1000:.1f} kB: 59 .png, 4 .jpg",
        "classes": "3: fewest c2 (19), most c1 (24)",
        "splits": ", ".join(f"{count} {split}" for split, count in found.splits.items()),
    }
    assert sum(found.splits.values()) == 63
    assert found.train_images == found.splits["train"]
    assert list(found.warnings()) == []


@pytest.fixture
def split_folders(tmp_path):
    """Returns a folder of images. One image is in two splits, and another image is in two
    classes."""
    folder = tmp_path / "data"
    for split, first in (("train", 10), ("test", 30)):
        class_folder(folder / split, images=0)
        for label in (0, 1):
            for n in range(5):
                image = encode(gradient(first + n, 10 + label), "PNG")
                (folder / split / f"c{label}" / f"{n}.png").write_bytes(image)
    (folder / "train" / "c0" / "x.png").write_bytes((folder / "test" / "c0" / "0.png").read_bytes())
    (folder / "train" / "c0" / "y.png").write_bytes(
        (folder / "train" / "c1" / "0.png").read_bytes()
    )
    return folder


def test_copies_across_given_splits_and_classes_are_counted(split_folders):
    source = {"kind": "folder", "path": str(split_folders)}
    found = find_images(make_source(source))
    assert found.describe()["splits"].endswith(", 10 test (given)")
    assert found.given == ("train", "test")
    assert list(found.warnings()) == [
        "1 image is in more than one split, such as test/c0/0.png and train/c0/x.png: a model is "
        "measured on images that it has seen. ingest.drop_duplicates removes them from train.",
        "1 image is in more than one class, such as train/c0/y.png and train/c1/0.png. "
        "ingest.drop_duplicates removes them.",
    ]
    without = find_images(make_source(source | {"drop_duplicates": True}))
    assert list(without.warnings()) == ["3 duplicates are left out (ingest.drop_duplicates)."]
    assert (found.total, without.total, without.splits["test"]) == (22, 19, 10)


def test_without_duplicates_all_else_is_the_same(split_folders):
    source = make_source({"kind": "folder", "path": str(split_folders)})
    without = make_source({"kind": "folder", "path": str(split_folders), "drop_duplicates": True})
    without.prepare()
    assert without.classes() == source.classes()
    assert without.fingerprint() != source.fingerprint()
    kept = {image.file_name: image for image in source.read(source.images())}
    assert list(without.read(without.images())) == [
        kept[image.file_name] for image in without.images()
    ]


def test_warnings_of_a_manifest_with_gaps(tmp_path):
    class_folder(tmp_path, images=1)
    (tmp_path / "x.csv").write_text("c0/0.png,a\nc1/0.png,b\nc0/0.png?,\n")
    source = {"kind": "manifest", "path": str(tmp_path / "x.csv"), "classes": ["a", "b", "c"]}
    assert list(find_images(make_source(source)).warnings()) == [
        "1 image is without a label, to be quarantined.",
        "1 class is without an image, such as c.",
    ]


def test_left_out_folders_are_named(split_folders):
    class_folder(split_folders / "pred")
    splits = {"train": ["train"], "test": ["test"]}
    found = find_images(
        make_source({"kind": "folder", "path": str(split_folders), "splits": splits})
    )
    assert next(found.warnings()) == (
        "The images in pred are left out: ingest.splits does not name these folders."
    )


@pytest.mark.parametrize(
    ("size", "text"),
    [(0, "0 bytes"), (999, "999 bytes"), (1234567, "1.2 MB"), (2e12, "2.0 TB")],
)
def test_sizes_are_readable(tmp_path, size, text):
    source = make_source({"kind": "folder", "path": str(class_folder(tmp_path, images=1))})
    found = dataclasses.replace(find_images(source), size=size, suffixes={".png": 1, "": 1})
    assert images(found) == f"2, {text}: 1 .png, 1 without a suffix"


def test_images_that_cannot_be_split_are_refused(tmp_path):
    def found(images):
        folder = class_folder(tmp_path / str(images), images=images)
        return find_images(make_source({"kind": "folder", "path": str(folder)}))

    found(5).check()
    with pytest.raises(RefusedError, match=r"no image for the split .*: found 2 images; expected"):
        found(1).check()
    untrained = dataclasses.replace(found(4), untrained=tuple(map(str, range(7))))
    with pytest.raises(RefusedError, match="for the class 0, 1, 2, 3, 4 and 2 more; expected"):
        untrained.check()


def test_a_class_without_a_training_image(split_folders):
    for path in (split_folders / "train" / "c0").glob("*.png"):
        path.unlink()
    source = {"kind": "folder", "path": str(split_folders), "layout": "splits"}
    assert find_images(make_source(source)).untrained == ("c0",)
