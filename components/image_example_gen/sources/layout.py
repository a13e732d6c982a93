"""Finds out whether the folders of a dataset are classes, or splits with classes in them.

This module does not import TensorFlow, which takes seconds to import.
"""

import re
from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

from common.errors import InputError
from common.text import list_first
from components.image_example_gen.sources.base import TEST, TRAIN, VALIDATION
from components.image_example_gen.sources.visible import IMAGE_SUFFIXES

AUTO, CLASSES, SPLITS = "auto", "classes", "splits"

_WORDS = {
    **dict.fromkeys(("train", "training", "trn"), TRAIN),
    **dict.fromkeys(("val", "valid", "validate", "validation", "dev"), VALIDATION),
    **dict.fromkeys(("test", "testing", "tst", "eval", "evaluation"), TEST),
}


class SplitAndClass(NamedTuple):
    """The split and the class of a file; the split is empty if the dataset has no split folders."""

    split: str
    class_name: str


class Layout(NamedTuple):
    """Whether the folders of a dataset are classes or splits.

    Attributes:
      splits: maps the relative path of each split folder to its split; empty if the folders are
        classes.
      left_out: the folders that the user did not assign to a split; their images are not read.
    """

    splits: Mapping[str, str]
    left_out: tuple[str, ...] = ()

    def find_split_and_class(self, path: str) -> SplitAndClass | None:
        """Returns the split and the class of the file at a relative path.

        Returns None if the file is outside of the class folders.
        """
        if not self.splits:
            return SplitAndClass("", path.split("/", 1)[0])
        for folder, split in self.splits.items():
            if path.startswith(f"{folder}/"):
                class_name, separator, _ = path[len(folder) + 1 :].partition("/")
                return SplitAndClass(split, class_name) if separator else None
        return None


def split_named(name: str) -> str | None:
    """Returns the split that a folder name or file name such as `seg_train` refers to."""
    words = re.findall("[a-z]+", name.lower())
    found = {_WORDS[word] for word in words if word in _WORDS}
    return found.pop() if len(found) == 1 else None


def find_layout(
    paths: Sequence[str], where: str, layout: str, named: Mapping[str, Sequence[str]]
) -> Layout:
    """Finds out whether the folders of a dataset are classes or splits.

    Args:
      paths: the relative paths of all files in subfolders of the dataset.
      where: path or URI of the dataset, for error messages.
      layout: AUTO, CLASSES or SPLITS.
      named: the folders of each split, if the user named them.

    Raises:
      InputError: the folders are a mix of splits and classes, a split folder has images outside of
        class folders, or a folder that the user named is missing.
    """
    folders = _Folders(paths)
    if named:
        return _named_layout(folders, where, named)
    splits = {top: split for top in folders.tops if (split := split_named(top))}
    if layout == CLASSES or (layout == AUTO and not _may_be_splits(folders, splits)):
        return Layout({})
    others = [top for top in folders.tops if top not in splits]
    loose = [top for top in splits if top in folders.with_images]
    problem = ""
    if others:
        problem = f", but {list_first(others)} {_is_or_are(others)} not named like a split"
    elif loose:
        problem = f", but {list_first(loose)} {_has_or_have(loose)} images outside of class folders"
    elif len(set(splits.values())) < len(splits):
        problem = ", but two of them are for the same split"
    if not splits:
        raise InputError(
            f"{where}: found the folders {list_first(folders.tops) or '(none)'}, of which none is "
            f"named like a split; {_describe_expected_folders(splits)}"
        )
    if problem:
        taken = list_first([f"{top} ({split})" for top, split in splits.items()])
        raise InputError(
            f"{where}: some folders look like splits ({taken}){problem}; "
            f"{_describe_expected_folders(splits)}"
        )
    return Layout({folders.descend(top, split): split for top, split in splits.items()})


def check_classes(classes: Mapping[str, Collection[str]], where: str) -> None:
    """Raises an error if two splits have different classes.

    Args:
      classes: the classes of each split.
      where: path or URI of the dataset, for the error message.

    Raises:
      InputError: two splits have different classes.
    """
    every = sorted(set().union(*classes.values()))
    for split, names in classes.items():
        missing = [name for name in every if name not in names]
        if missing:
            raise InputError(
                f"{where}: the folders look like the splits {list_first(list(classes))}, but "
                f"{split} has {len(names)} of {len(every)} classes, {list_first(missing)} missing; "
                "expected the same classes in each split; use --layout splits to allow different "
                "classes, or --layout classes if each folder is a class"
            )


class _Folders:
    """The top-level folders in a list of relative paths, and what these folders contain."""

    def __init__(self, paths: Sequence[str]) -> None:
        parts = [path.split("/") for path in paths]
        self.tops = sorted({path[0] for path in parts})
        self.with_images = {path[0] for path in parts if len(path) == 2 and _is_image(path[1])}
        self.with_folders = {path[0] for path in parts if len(path) > 2}
        self._below: dict[str, set[str]] = {top: set() for top in self.tops}
        self._deep = {path[0] for path in parts if len(path) > 3}
        for path in parts:
            if len(path) > 2:
                self._below[path[0]].add(path[1])

    def descend(self, top: str, split: str) -> str:
        """Returns the path of the folder that contains the class folders of `split`: either `top`
        or the only folder in `top`.

        Archives are often unpacked into a folder with the name of the archive, which leads to paths
        such as seg_train/seg_train/street/. The folder in `top` is returned if it is the only
        folder in `top`, contains folders itself, and has a name that refers to `split`.
        """
        below = list(self._below[top])
        is_nested = len(below) == 1 and split_named(below[0]) == split and top in self._deep
        return f"{top}/{below[0]}" if is_nested else top


def _may_be_splits(folders: _Folders, splits: Mapping[str, str]) -> bool:
    """Whether folders with names such as `train` may be splits rather than classes.

    Returns true if all folders are named like splits, or if a folder that is named like a split
    contains folders. For example, in a dataset of vehicles with the folders `bus` and `train`,
    which contain images but no folders, `train` is a class.
    """
    return bool(splits) and (
        len(splits) == len(folders.tops) or any(top in folders.with_folders for top in splits)
    )


def _named_layout(folders: _Folders, where: str, named: Mapping[str, Sequence[str]]) -> Layout:
    splits = {}
    for split, names in named.items():
        for name in names:
            if name not in folders.tops:
                raise InputError(
                    f"{where}: found the folders {list_first(folders.tops) or '(none)'}; expected "
                    f"{name}, which ingest.splits.{split} names"
                )
            splits[folders.descend(name, split)] = split
    tops = {folder.split("/", 1)[0] for folder in splits}
    return Layout(splits, tuple(top for top in folders.tops if top not in tops))


def _describe_expected_folders(splits: Mapping[str, str]) -> str:
    named = " ".join(
        f"--set ingest.splits.{split}={folder}"
        for folder, split in (splits or {"FOLDER": TRAIN}).items()
    )
    return (
        "expected class folders, or split folders with class folders in them: --layout classes "
        f"takes each folder as a class; {named} takes these as splits, and leaves other folders out"
    )


def _is_image(name: str) -> bool:
    return name.lower().endswith(IMAGE_SUFFIXES)


def _is_or_are(names: Sequence[str]) -> str:
    return "is" if len(names) == 1 else "are"


def _has_or_have(names: Sequence[str]) -> str:
    return "has" if len(names) == 1 else "have"
