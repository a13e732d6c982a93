"""A folder of class folders: flowers/daisy/1.jpg, flowers/roses/2.png, …"""

import hashlib
import os
from pathlib import Path
from typing import Any

from components.image_example_gen.sources.base import TRAIN, Source, SourceImage
from trainer.errors import InputError


class FolderSource(Source):
    """Each folder directly below `path` is a class; each file below that is an image of it.

    Classes are sorted by name. Names that begin with a dot are left out; all other files count,
    and those that are no images end in quarantine.
    """

    def __init__(self, path: str) -> None:
        self._path = Path(path)

    def prepare(self) -> None:
        self.check()

    def check(self) -> None:
        if not self._path.is_dir():
            raise InputError(f"{self._path}: no such folder; expected a folder of class folders")
        classes = self.classes()
        if len(classes) < 2:
            raise InputError(
                f"{self._path}: found {len(classes)} class folders; expected at least 2, each "
                "with the images of one class"
            )
        counts = dict.fromkeys(classes, 0)
        for file_name, _ in self._files():
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
        for file_name, path in self._files():
            stat = path.lstat() if not path.exists() else path.stat()
            digest.update(f"{file_name}\0{stat.st_size}\0{stat.st_mtime_ns}\n".encode())
        return digest.hexdigest()

    def read(self, split: str) -> Any:
        import apache_beam as beam

        labels = {name: label for label, name in enumerate(self.classes())}
        files = [
            (file_name, labels[file_name.split("/", 1)[0]], str(path))
            for file_name, path in self._files()
        ]
        return (
            f"List[{split}]" >> beam.Create(files)
            | f"Spread[{split}]" >> beam.Reshuffle()
            | f"Read[{split}]" >> beam.MapTuple(_read)
        )

    def _files(self) -> list[tuple[str, Path]]:
        """All files as (path relative to the folder, path), in a fixed order."""
        files = []
        for name in self.classes():
            for directory, below, names in os.walk(self._path / name):
                below[:] = filter(_is_visible, below)
                files += [Path(directory, file) for file in names if _is_visible(file)]
        return sorted((path.relative_to(self._path).as_posix(), path) for path in files)


def _is_visible(name: str) -> bool:
    return not name.startswith(".")


def _read(file_name: str, label: int, path: str) -> SourceImage:
    try:
        return SourceImage(file_name, label, Path(path).read_bytes())
    except OSError as error:  # it vanished, or may not be read: that is counted, not lost
        return SourceImage(file_name, label, b"", error=f"cannot be read: {error.strerror}")
