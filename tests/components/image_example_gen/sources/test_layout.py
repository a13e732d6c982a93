"""Tests that class folders and split folders are recognised, from paths and on a disk."""

import pytest

from common.errors import InputError
from components.image_example_gen.sources.folder import FolderSource
from components.image_example_gen.sources.layout import SplitAndClass, find_layout, split_named
from components.image_example_gen.sources.remote_folder import RemoteFolderSource
from tests.conftest import class_folder

CLASSES = ("daisy/1.jpg", "roses/1.jpg")
SPLIT_CLASSES = ("train/daisy/1.jpg", "train/roses/1.jpg", "test/daisy/2.jpg", "test/roses/2.jpg")


@pytest.mark.parametrize(
    ("split", "names"),
    [
        ("train", "train Train TRAINING training_set train_images seg_train Train2017 trn"),
        ("validation", "val valid Validation dev val2017 validation-set"),
        ("test", "test Testing eval seg_test evaluation test_images"),
        (None, "daisy trains latest contest seg_pred train_test valve developer testimony"),
    ],
)
def test_common_names_of_splits_are_known(split, names):
    assert {name: split_named(name) for name in names.split()} == dict.fromkeys(
        names.split(), split
    )


def layout_of(*paths, layout="auto", **named):
    return find_layout(paths, "data", layout, named)


def test_class_folders():
    layout = layout_of(*CLASSES, "roses/deeper/2.jpg")
    assert not layout.splits
    assert layout.find_split_and_class("roses/deeper/2.jpg") == SplitAndClass("", "roses")


def test_split_folders():
    layout = layout_of(*SPLIT_CLASSES, "train/labels.csv", "test/roses/deeper/3.jpg")
    assert layout.splits == {"train": "train", "test": "test"}
    assert layout.find_split_and_class("test/roses/deeper/3.jpg") == SplitAndClass("test", "roses")
    assert layout.find_split_and_class("train/labels.csv") is None


def test_an_archive_that_was_unpacked_into_a_folder_of_its_own_name():
    """For example, the Intel scenes on Kaggle have seg_train/seg_train/street/1.jpg."""
    layout = layout_of("seg_train/seg_train/street/1.jpg", "seg_test/seg_test/street/2.jpg")
    assert layout.splits == {"seg_train/seg_train": "train", "seg_test/seg_test": "test"}
    assert layout.find_split_and_class("seg_test/seg_test/street/2.jpg") == SplitAndClass(
        "test", "street"
    )


def test_a_class_with_the_name_of_a_split():
    assert not layout_of("train/1.jpg", "bus/1.jpg", "car/1.jpg").splits


@pytest.mark.parametrize(
    ("paths", "found"),
    [
        ((*SPLIT_CLASSES, "pred/1.jpg"), r"test \(test\), train \(train\)\), but "
         "pred is not named like a split"),
        ((*SPLIT_CLASSES, "daisy/1.jpg", "roses/1.jpg"),
         "but daisy, roses are not named like a split"),
        ((*SPLIT_CLASSES, "train/3.JPG"), "but train has images outside of class folders"),
        (("train/1.jpg", "test/1.jpg"), "but test, train have images outside of class folders"),
        ((*SPLIT_CLASSES, "eval/daisy/1.jpg"), "two of them are for the same split"),
    ],
)  # fmt: skip
def test_a_mixture_of_layouts_is_refused_and_explained(paths, found):
    with pytest.raises(
        InputError,
        match=f"^data: some folders look like splits .*{found}; expected .*--layout classes",
    ):
        layout_of(*paths)
    assert not layout_of(*paths, layout="classes").splits


def test_splits_can_be_named():
    paths = (*SPLIT_CLASSES, "pred/1.jpg", "extra/daisy/1.jpg")
    layout = layout_of(*paths, train=["train", "extra"], validation=["test"])
    assert layout.splits == {"train": "train", "extra": "train", "test": "validation"}
    assert layout.left_out == ("pred",)
    assert layout.find_split_and_class("pred/1.jpg") is None
    with pytest.raises(InputError, match=r"expected nope, which ingest\.splits\.test names"):
        layout_of(*paths, test=["nope"])


def test_split_folders_can_be_required():
    with pytest.raises(
        InputError, match="found the folders daisy, roses, of which none is named like a split"
    ):
        layout_of(*CLASSES, layout="splits")


@pytest.mark.parametrize("kind", [FolderSource, RemoteFolderSource])
def test_given_splits_are_read(tmp_path, kind):
    for split in ("Train", "Test"):
        class_folder(tmp_path / split, images=2)
    (tmp_path / "Train" / "README.txt").write_text("about the images")
    source = kind(str(tmp_path))
    source.prepare()
    assert source.classes() == ("c0", "c1")
    assert {(image.file_name, image.label, image.split) for image in source.images()} == {
        (f"{split}/c{label}/{n}.png", label, split.lower())
        for split in ("Train", "Test")
        for label in (0, 1)
        for n in (0, 1)
    }


@pytest.mark.parametrize("kind", [FolderSource, RemoteFolderSource])
def test_splits_with_different_classes_are_refused_by_default(tmp_path, kind):
    class_folder(tmp_path / "train", classes=3)
    class_folder(tmp_path / "test", classes=2)
    with pytest.raises(InputError, match="but test has 2 of 3 classes, c2 missing; expected"):
        kind(str(tmp_path)).prepare()
    source = kind(str(tmp_path), layout="splits")
    source.prepare()
    assert source.classes() == ("c0", "c1", "c2")


@pytest.mark.parametrize("kind", [FolderSource, RemoteFolderSource])
def test_given_classes_fix_the_labels(tmp_path, kind):
    folder = str(class_folder(tmp_path, images=1))
    source = kind(folder, classes=["c9", "c1", "c0"])
    source.prepare()
    assert source.classes() == ("c9", "c1", "c0")
    assert {i.file_name: i.label for i in source.images()} == {"c0/0.png": 2, "c1/0.png": 1}
    more = kind(folder, classes=["c9", "c1", "c0", "c7"])
    assert more.images() == source.images()
    assert more.fingerprint() != source.fingerprint()
    with pytest.raises(
        InputError, match=r"found the class c1; expected one of ingest.classes \(c0"
    ):
        kind(folder, classes=["c0", "c2"]).prepare()
    with pytest.raises(InputError, match=r"ingest.classes: found c0 twice"):
        kind(folder, classes=["c0", "c1", "c0"]).prepare()


def test_an_empty_folder_is_named(tmp_path):
    class_folder(tmp_path / "train")
    (tmp_path / "test").mkdir()
    with pytest.raises(InputError, match="no images in split folder test"):
        FolderSource(str(tmp_path)).check()
    (tmp_path / "train" / "c7").mkdir()
    with pytest.raises(InputError, match="no images in class folder c7"):
        FolderSource(str(tmp_path / "train")).check()
    FolderSource(str(tmp_path / "train"), classes=["c0", "c1", "c7"]).check()


@pytest.mark.parametrize("kind", [FolderSource, RemoteFolderSource])
def test_folders_of_file_managers_are_ignored_at_any_depth(tmp_path, kind):
    folder = class_folder(tmp_path / "data", images=1)
    expected = [image.file_name for image in kind(str(folder)).images()]
    for name in ("@eaDir", ".thumbnails", "__MACOSX", ".ipynb_checkpoints", "#recycle"):
        for place in (folder, folder / "c0", folder / "c0" / "deeper"):
            (place / name / "more").mkdir(parents=True)
            (place / name / "x.jpg").write_bytes(b"x")
            (place / name / "more" / "x.jpg").write_bytes(b"x")
    for name in ("Thumbs.db", "desktop.ini", ".DS_Store", "._0.png"):
        (folder / "c1" / name).write_bytes(b"x")
    source = kind(str(folder))
    source.prepare()
    assert [image.file_name for image in source.images()] == expected
