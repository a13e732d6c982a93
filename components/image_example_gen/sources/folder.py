"""A folder of class folders: flowers/daisy/1.jpg, flowers/roses/2.png, …"""

import hashlib
import os
from pathlib import Path
from typing import Any

from components.image_example_gen.sources.base import TRAIN, Source, SourceImage
from trainer.errors import InputError

_SPLITS = {"train", "val", "valid", "validation", "test"}


class FolderSource(Source):
    """Each folder directly below `path` is a class; each file below that is an image of it.

    Classes are sorted by name. Names that begin with a dot are left out; all other files count,
    and those that are no images end in quarantine. Links are followed.
    """

    def __init__(self, path: str) -> None:
        self._path = Path(path)

    def prepare(self) -> None:
        self.check()

    def check(self) -> None:
        if not self._path.is_dir():
            raise InputError(f"{self._path}: no such folder; expected a folder of class folders")
        try:
            classes = self.classes()
        except OSError as error:
            raise InputError(f"{self._path}: {error.strerror}; expected to be let in") from error
        if set(classes) and set(classes) <= _SPLITS:
            raise InputError(
                f"{self._path}: found the folders {', '.join(classes)}, which look like splits; "
                "expected a folder for each class (the pipeline makes the splits)"
            )
        unreadable = [name for name in classes if not _is_utf8(name)]
        if unreadable:
            raise InputError(f"{self._path}: the name of {unreadable[0]!r} is not UTF-8; rename it")
        if len(classes) < 2:
            raise InputError(
                f"{self._path}: found {len(classes)} class folders; expected at least 2, each "
                "with the images of one class"
            )
        counts = dict.fromkeys(classes, 0)
        for file_name, _ in self.files():
            counts[file_name.split("/", 1)[0]] += 1
        empty = [name for name, count in counts.items() if not count]
        if empty:
            raise InputError(f"{self._path}: no images in class folder {', '.join(empty)}")

    def classes(self) -> tuple[str, ...]:
        return tuple(
            sorted(p.name for p in self._path.iterdir() if p.is_dir() and _is_visible(p.name))
        )

    def splits(self) -> tuple[str, ...]:
        return (TRAIN,)

    def fingerprint(self) -> str:
        digest = hashlib.sha256()
        for file_name, path in self.files():
            stat = path.lstat() if not path.exists() else path.stat()
            digest.update(os.fsencode(file_name))
            digest.update(f"\0{stat.st_size}\0{stat.st_mtime_ns}\n".encode())
        return digest.hexdigest()

    def read(self, split: str) -> Any:
        import apache_beam as beam

        return (
            f"List[{split}]" >> beam.Create(self._shuffled())
            | f"Spread[{split}]" >> beam.Reshuffle()
            | f"Read[{split}]" >> beam.MapTuple(_read)
        )

    def _shuffled(self) -> list[tuple[str, int, str]]:
        """File name, label and path of all files, always in the same random order.

        Examples are written in this order, and a class after the other would be more than the
        Trainer's shuffle buffer can undo.
        """
        labels = {name: label for label, name in enumerate(self.classes())}
        files = [(name, labels[name.split("/", 1)[0]], str(path)) for name, path in self.files()]
        return sorted(files, key=lambda file: hashlib.sha256(os.fsencode(file[0])).digest())

    def files(self) -> list[tuple[str, Path]]:
        """All files as (path relative to the folder, path), in a fixed order.

        The first part of the relative path is the class.
        """
        files = []
        for name in self.classes():
            seen = set()  # a link may lead back to where it came from
            for directory, below, names in os.walk(self._path / name, followlinks=True):
                seen.add(os.path.realpath(directory))
                below[:] = [
                    folder
                    for folder in filter(_is_visible, below)
                    if os.path.realpath(os.path.join(directory, folder)) not in seen
                ]
                files += [Path(directory, file) for file in names if _is_visible(file)]
        return sorted((path.relative_to(self._path).as_posix(), path) for path in files)


def _is_utf8(name: str) -> bool:
    return name.encode(errors="ignore").decode() == name


def _is_visible(name: str) -> bool:
    return not name.startswith(".")


def _read(file_name: str, label: int, path: str) -> SourceImage:
    try:
        return SourceImage(file_name, label, Path(path).read_bytes())
    except OSError as error:  # it vanished, or may not be read: that is counted, not lost
        return SourceImage(file_name, label, b"", error=f"cannot be read: {error.strerror}")
