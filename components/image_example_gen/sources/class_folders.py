"""The common parts of sources that are folders of class folders, on a disk or in a bucket."""

import abc
import hashlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from common.content_index import FileContent
from common.errors import InputError
from components.image_example_gen.sources.base import TRAIN, UNREAD, Source, SourceImage


class ClassFolders(Source):
    """A source in which each folder directly below `path` is a class, with its images below it.

    Files and folders whose names start with a dot are left out. All other files are images of the
    class; those that are no images are quarantined. Classes are sorted by name.
    """

    def __init__(self, path: str) -> None:
        self._path = path.rstrip("/") or path

    def splits(self) -> tuple[str, ...]:
        return (TRAIN,)

    def read(self, split: str) -> Any:
        import apache_beam as beam

        return (
            f"List[{split}]" >> beam.Create(self._shuffled())
            | f"Spread[{split}]" >> beam.Reshuffle()
            | f"Read[{split}]" >> beam.MapTuple(type(self)._read)
        )

    def fingerprint(self, cache: Path | None = None) -> str:
        digest = hashlib.sha256()
        for file in self.contents(cache):
            digest.update(os.fsencode(f"{file.name}\0{file.digest}\n"))
        return digest.hexdigest()

    def has_any(self, file_names: Sequence[str], cache: Path | None = None) -> bool:
        names = set(file_names)
        return any(file.name in names and file.digest for file in self.contents(cache))

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

    @classmethod
    def _read(cls, file_name: str, label: int, path: str) -> SourceImage:
        try:
            return SourceImage(file_name, label, cls._contents(path))
        except OSError as error:  # a file that vanished, or cannot be read, is quarantined
            reason = error.strerror or error
            return SourceImage(file_name, label, b"", error=f"{UNREAD}{reason}")

    def _shuffled(self) -> list[tuple[str, int, str]]:
        """Returns file name, label and path of all files, always in the same random order.

        Examples are written in this order. If they were written class by class, the Trainer's
        shuffle buffer would be too small to mix the classes.
        """
        labels = {name: label for label, name in enumerate(self.classes())}
        files = [(name, labels[name.split("/", 1)[0]], path) for name, path in self.files()]
        return sorted(files, key=lambda file: hashlib.sha256(os.fsencode(file[0])).digest())

    def _check_count(self, classes: tuple[str, ...], hint: str) -> None:
        if len(classes) < 2:
            raise InputError(
                f"{self._path}: found {len(classes)} class folders; expected at least 2, each "
                f"with the images of one class{hint}"
            )


def is_visible(name: str) -> bool:
    """Whether a file or folder of this name counts."""
    return not name.startswith(".")
