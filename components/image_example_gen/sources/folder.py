"""A folder of class folders: flowers/daisy/1.jpg, flowers/roses/2.png, …"""

import functools
import os
from pathlib import Path

from common.content_index import FileContent, index_path, read_contents
from common.errors import InputError
from components.image_example_gen.sources.class_folders import ClassFolders
from components.image_example_gen.sources.layout import split_named
from components.image_example_gen.sources.visible import is_visible


class FolderSource(ClassFolders):
    """A folder of class folders on this machine. Symbolic links are followed."""

    def prepare(self, cache: Path | None = None) -> None:
        self.check()

    def check(self) -> None:
        folder = Path(self._path)
        if not folder.is_dir():
            raise InputError(f"{self._path}: no such folder; expected a folder of class folders")
        try:
            self.files()
        except OSError as error:
            raise InputError(
                f"{self._path}: {error.strerror}; expected a folder that can be read"
            ) from error
        empty = [name for name in self._empty_folders() if name not in self._given_classes]
        if self._layout.splits:
            empty = [name for name in empty if split_named(name) and not self._named]
        if empty:
            kind = "split" if self._layout.splits else "class"
            raise InputError(f"{self._path}: no images in {kind} folder {', '.join(empty)}")
        unreadable = [name for name in self.classes() if not _is_utf8(name)]
        if unreadable:
            raise InputError(f"{self._path}: the name of {unreadable[0]!r} is not UTF-8; rename it")
        self._check_folders(self._folder_above())

    def _empty_folders(self) -> list[str]:
        found = {name.split("/", 1)[0] for name, _ in self.files()}
        return [name for name in self._folders() if name not in found]

    def _folder_above(self) -> str:
        """Returns the text "did you mean the folder above it, FOLDER?" for an error message, where
        FOLDER is the parent folder of `path`. Returns an empty string unless `path` looks like a
        class folder, which contains files and no folders.
        """
        folder = Path(self._path)
        if not self._folders() and any(
            path.is_file() and is_visible(path.name) for path in folder.iterdir()
        ):
            return f"; did you mean the folder above it, {folder.resolve().parent}?"
        return ""

    def _folders(self) -> list[str]:
        paths = filter(Path.is_dir, Path(self._path).iterdir())
        return sorted(path.name for path in paths if is_visible(path.name))

    def files(self) -> list[tuple[str, str]]:
        return self._listed_files

    @functools.cached_property
    def _listed_files(self) -> list[tuple[str, str]]:
        files = []
        for name in self._folders():
            seen = set()  # symbolic links may form a loop
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

    def contents(self, cache: Path | None = None) -> list[FileContent]:
        return read_contents(self.files(), index_path(cache, os.path.realpath(self._path)))


def _is_utf8(name: str) -> bool:
    return name.encode(errors="ignore").decode() == name
