"""The common parts of sources that are folders of class folders, on a disk or in a bucket."""

import abc
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from common.content_index import FileContent
from common.errors import InputError
from components.image_example_gen.sources.base import (
    CHANGED,
    ImageReference,
    Source,
    SourceImage,
    source_image,
    unread_image,
)


class ClassFolders(Source):
    """A source in which each folder directly below `path` is a class, with its images below it.

    Files and folders whose names start with a dot are left out. All other files are images of the
    class; those that are no images are quarantined. Classes are sorted by name.
    """

    def __init__(self, path: str) -> None:
        self._path = path.rstrip("/") or path

    def images(self, cache: Path | None = None) -> Sequence[ImageReference]:
        labels = {name: label for label, name in enumerate(self.classes())}
        return [
            ImageReference(content.name, labels[content.name.split("/", 1)[0]], path, *content[1:])
            for content, (_, path) in zip(self.contents(cache), self.files(), strict=True)
        ]

    def read(self, images: Iterable[ImageReference]) -> Iterator[SourceImage]:
        for image in images:
            try:
                encoded = self._contents(image.location)
            except OSError as error:  # a file that vanished, or cannot be read, is quarantined
                yield unread_image(image, str(error.strerror or error))
            else:
                is_same = self._is_same(encoded, image)
                yield source_image(image, encoded) if is_same else unread_image(image, CHANGED)

    @abc.abstractmethod
    def contents(self, cache: Path | None = None) -> list[FileContent]:
        """Returns the size and digest of each of `files`, in the same order.

        In a bucket, the digest is computed from the checksum in the listing, or, if the listing has
        no checksum, from its size and time.

        Args:
          cache: the directory that `fingerprint` takes.
        """

    @abc.abstractmethod
    def files(self) -> list[tuple[str, str]]:
        """Returns all files as pairs of relative path and path (or URI), in a fixed order.

        The first part of the relative path is the class.
        """

    @staticmethod
    @abc.abstractmethod
    def _contents(path: str) -> bytes:
        """Reads the file at a path or URI; raises OSError if it cannot be read."""

    @staticmethod
    @abc.abstractmethod
    def _is_same(encoded: bytes, image: ImageReference) -> bool:
        """Whether bytes that were read are those that were listed."""

    def _check_count(self, classes: tuple[str, ...], hint: str) -> None:
        if len(classes) < 2:
            raise InputError(
                f"{self._path}: found {len(classes)} class folders; expected at least 2, each "
                f"with the images of one class{hint}"
            )


def is_visible(name: str) -> bool:
    """Whether a file or folder of this name counts."""
    return not name.startswith(".")
