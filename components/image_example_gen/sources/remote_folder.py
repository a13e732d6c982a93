"""A folder of class folders on remote storage: gs://bucket/flowers/daisy/1.jpg, …"""

import functools
import hashlib
from typing import Any

from common.errors import InputError
from components.image_example_gen.sources.class_folders import ClassFolders, is_visible


class RemoteFolderSource(ClassFolders):
    """A folder of class folders in Beam's file systems: whatever has a scheme that Beam knows."""

    def prepare(self) -> None:
        self._check_count(self.classes(), self._hint())

    def _hint(self) -> str:
        """The folder that was probably meant: the only one, if every image lies deeper in it."""
        paths = [name.split("/") for name, _ in self._found]
        below = {path[1] for path in paths if len(path) > 2}
        is_nested = len(below) > 1 and all(len(path) > 2 for path in paths)
        return f"; did you mean {self._path}/{paths[0][0]}?" if is_nested else ""

    def classes(self) -> tuple[str, ...]:
        return tuple(sorted({name.split("/", 1)[0] for name, _ in self._found}))

    def fingerprint(self) -> str:
        digest = hashlib.sha256()
        for name, found in self._found:
            changed = found.last_updated_in_seconds
            digest.update(f"{name}\0{found.size_in_bytes}\0{changed}\n".encode())
        return digest.hexdigest()

    def files(self) -> list[tuple[str, str]]:
        return [(name, found.path) for name, found in self._found]

    @staticmethod
    def _contents(path: str) -> bytes:
        from apache_beam.io.filesystems import FileSystems

        with FileSystems.open(path) as file:
            return file.read()

    @functools.cached_property
    def _found(self) -> list[tuple[str, Any]]:
        """All files as (path relative to the folder, Beam's FileMetadata), in a fixed order."""
        from apache_beam.io.filesystem import BeamIOError
        from apache_beam.io.filesystems import FileSystems

        try:
            (found,) = FileSystems.match([f"{self._path}/**"])
        except (BeamIOError, ValueError) as error:  # no access; no such scheme
            reason = " ".join(str(error).split())
            raise InputError(f"{self._path}: cannot be listed ({reason[:300]})") from error
        start = len(self._path) + 1
        files = ((metadata.path[start:], metadata) for metadata in found.metadata_list)
        return sorted((name, metadata) for name, metadata in files if _is_image(name))


def _is_image(name: str) -> bool:
    parts = name.split("/")
    # An object whose name ends in a slash stands for an empty folder.
    return len(parts) > 1 and bool(parts[0] and parts[-1]) and all(map(is_visible, parts))
