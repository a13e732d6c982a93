"""A folder of class folders: flowers/daisy/1.jpg, flowers/roses/2.png, …"""

import errno
import hashlib
import os
from pathlib import Path

from common.content_index import FileContent, read_contents
from common.errors import InputError
from components.image_example_gen.sources.base import ImageReference
from components.image_example_gen.sources.class_folders import ClassFolders, is_visible

_SPLITS = {"train", "val", "valid", "validation", "test"}


class FolderSource(ClassFolders):
    """A folder of class folders on this machine. Links are followed."""

    def prepare(self) -> None:
        self.check()

    def check(self) -> None:
        if not Path(self._path).is_dir():
            raise InputError(f"{self._path}: no such folder; expected a folder of class folders")
        try:
            classes = self.classes()
        except OSError as error:
            raise InputError(
                f"{self._path}: {error.strerror}; expected a folder that can be read"
            ) from error
        if set(classes) and set(classes) <= _SPLITS:
            raise InputError(
                f"{self._path}: found the folders {', '.join(classes)}, which look like splits; "
                "expected a folder for each class (the pipeline makes the splits)"
            )
        unreadable = [name for name in classes if not _is_utf8(name)]
        if unreadable:
            raise InputError(f"{self._path}: the name of {unreadable[0]!r} is not UTF-8; rename it")
        self._check_count(classes, self._hint(classes))
        counts = dict.fromkeys(classes, 0)
        for file_name, _ in self.files():
            counts[file_name.split("/", 1)[0]] += 1
        empty = [name for name, count in counts.items() if not count]
        if empty:
            raise InputError(f"{self._path}: no images in class folder {', '.join(empty)}")

    def _hint(self, classes: tuple[str, ...]) -> str:
        """Which folder was probably meant; empty where there is nothing to go by."""
        folder = Path(self._path)
        if not classes and any(p.is_file() and is_visible(p.name) for p in folder.iterdir()):
            return f"; did you mean the folder above it, {folder.resolve().parent}?"
        if len(classes) != 1:
            return ""
        below = [p for p in (folder / classes[0]).iterdir() if is_visible(p.name)]
        is_nested = len(below) > 1 and all(p.is_dir() for p in below)
        return f"; did you mean {folder / classes[0]}?" if is_nested else ""

    def classes(self) -> tuple[str, ...]:
        return tuple(
            sorted(p.name for p in Path(self._path).iterdir() if p.is_dir() and is_visible(p.name))
        )

    def contents(self, cache: Path | None = None) -> list[FileContent]:
        key = hashlib.sha256(os.fsencode(os.path.realpath(self._path))).hexdigest()[:16]
        return read_contents(self.files(), cache / "contents" / f"{key}.json" if cache else None)

    def files(self) -> list[tuple[str, str]]:
        files = []
        for name in self.classes():
            seen = set()  # links may form a loop
            for directory, below, names in os.walk(Path(self._path, name), followlinks=True):
                seen.add(os.path.realpath(directory))
                below[:] = [
                    folder
                    for folder in filter(is_visible, below)
                    if os.path.realpath(os.path.join(directory, folder)) not in seen
                ]
                files += [os.path.join(directory, file) for file in names if is_visible(file)]
        start = len(os.path.join(self._path, ""))
        return sorted((path[start:], path) for path in files)

    @staticmethod
    def _contents(path: str) -> bytes:
        file = Path(path)
        # To read a FIFO is to wait for somebody who writes to it, and some devices have no end.
        if file.exists() and not file.is_file():
            raise OSError(errno.EINVAL, "not a regular file")
        return file.read_bytes()

    @staticmethod
    def _is_same(encoded: bytes, image: ImageReference) -> bool:
        return hashlib.sha256(encoded).hexdigest() == image.digest


def _is_utf8(name: str) -> bool:
    return name.encode(errors="ignore").decode() == name
