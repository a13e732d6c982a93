"""The base class of sources that read class folders, from a disk or from a bucket."""

import abc
import functools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from common.content_index import FileContent
from common.errors import InputError
from components.image_example_gen.sources import layout as layouts
from components.image_example_gen.sources.base import (
    ImageReference,
    Source,
    SourceImage,
)
from components.image_example_gen.sources.class_list import ClassList
from components.image_example_gen.sources.file_reading import read_images
from components.image_example_gen.sources.layout import Layout, check_classes, find_layout


class ClassFolders(Source):
    """A folder of class folders, or of split folders that contain class folders.

    Every file in a class folder, at any depth, counts as an image of that class; a file that is not
    an image is quarantined. Files outside of class folders are not read. Hidden files and folders
    are not read (see `components.image_example_gen.sources.visible`). Classes are sorted by name.
    """

    _is_remote = False

    def __init__(
        self,
        path: str,
        layout: str = layouts.AUTO,
        splits: Mapping[str, Sequence[str]] | None = None,
        classes: Sequence[str] = (),
    ) -> None:
        """
        Args:
          path: path or URI of the folder.
          layout: whether the folders in `path` are classes or splits; a constant of
            `components.image_example_gen.sources.layout`.
          splits: the folders of each split; if None, split folders are recognised by their names.
          classes: the class names; if empty, the names of the class folders.
        """
        self._path = path.rstrip("/") or path
        self._asked = layout
        self._named = splits or {}
        self._given_classes = tuple(classes)

    @functools.cached_property
    def _layout(self) -> Layout:
        paths = [name for name, _ in self.files()]
        return find_layout(paths, self._path, self._asked, self._named)

    @functools.cached_property
    def _classes(self) -> ClassList:
        found = sorted(
            {
                split_and_class.class_name
                for split_and_class in self._splits_and_classes
                if split_and_class
            }
        )
        return ClassList(self._given_classes, found, self._path)

    @functools.cached_property
    def _splits_and_classes(self) -> list[layouts.SplitAndClass | None]:
        """Returns the split and the class of each file that `files` returns."""
        return [self._layout.find_split_and_class(name) for name, _ in self.files()]

    def classes(self) -> tuple[str, ...]:
        return self._classes.names

    def left_out(self) -> tuple[str, ...]:
        return self._layout.left_out

    def _list_images(self, cache: Path | None) -> Sequence[ImageReference]:
        return [
            ImageReference(
                name,
                self._classes.label(split_and_class.class_name),
                location,
                size,
                digest,
                split_and_class.split,
            )
            for (name, location), split_and_class, (_, size, digest) in zip(
                self.files(), self._splits_and_classes, self.contents(cache), strict=True
            )
            if split_and_class
        ]

    def read(self, images: Iterable[ImageReference]) -> Iterator[SourceImage]:
        return read_images(images, is_remote=self._is_remote)

    @abc.abstractmethod
    def files(self) -> list[tuple[str, str]]:
        """Returns pairs of relative path and path (or URI) of all visible files in folders.

        A relative path, such as `daisy/1.jpg` or `train/daisy/1.jpg`, starts in the folder of the
        source. Every call returns the same list, in the same order.
        """

    @abc.abstractmethod
    def contents(self, cache: Path | None = None) -> list[FileContent]:
        """Returns the size and digest of each file that `files` returns, in the same order.

        In a bucket, the digest is computed from the checksum in the bucket's listing. If the
        listing of the bucket has no checksum, the digest is computed from the size and the
        modification time.

        Args:
          cache: a directory in which the digests of local files are kept for the next call; if
            None, no digests are kept.
        """

    def _check_folders(self, hint: str = "") -> None:
        """Raises an error if there are fewer than two classes, or if splits have different classes.

        Args:
          hint: a suggestion to append to the error message about too few classes; if empty, the
            result of `_hint_at_nested_folder` is appended.
        """
        if len(self.classes()) < 2:
            raise InputError(
                f"{self._path}: found {len(self.classes())} class folders; expected at least 2, "
                f"each with the images of one class{hint or self._hint_at_nested_folder()}"
            )
        found: dict[str, set[str]] = {}
        for split_and_class in self._splits_and_classes:
            if split_and_class and split_and_class.split:
                found.setdefault(split_and_class.split, set()).add(split_and_class.class_name)
        is_asked = self._named or self._given_classes or self._asked == layouts.SPLITS
        if not is_asked:
            check_classes(found, self._path)

    def _hint_at_nested_folder(self) -> str:
        """Returns a hint that names the only folder, if all class folders are in it; else empty."""
        paths = [name.split("/") for name, _ in self.files()]
        below = {path[1] for path in paths if len(path) > 2}
        is_nested = len(below) > 1 and all(len(path) > 2 for path in paths)
        return f"; did you mean {self._path}/{paths[0][0]}?" if is_nested else ""
