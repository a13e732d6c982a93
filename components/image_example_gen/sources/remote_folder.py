"""A folder of class folders on remote storage: gs://bucket/flowers/daisy/1.jpg, …"""

import functools
from pathlib import Path

from common.content_index import FileContent
from components.image_example_gen.sources.bucket_listing import ListedFile, list_files
from components.image_example_gen.sources.class_folders import ClassFolders
from components.image_example_gen.sources.visible import is_visible


class RemoteFolderSource(ClassFolders):
    """A folder of class folders at a URI of any scheme that Beam supports."""

    _is_remote = True

    def prepare(self, cache: Path | None = None) -> None:
        self._check_folders()

    def files(self) -> list[tuple[str, str]]:
        return [(name, file.uri) for name, file in self._listed_images]

    def contents(self, cache: Path | None = None) -> list[FileContent]:
        return [FileContent(name, file.size, file.digest) for name, file in self._listed_images]

    @functools.cached_property
    def _listed_images(self) -> list[tuple[str, ListedFile]]:
        """Returns each image with its path relative to the folder, sorted by path."""
        start = len(self._path) + 1
        files = ((file.uri[start:], file) for file in list_files(self._path))
        return sorted((name, file) for name, file in files if _is_image(name))


def _is_image(name: str) -> bool:
    parts = name.split("/")
    # An object whose name ends in a slash is not an image: some tools create such an object to
    # represent an empty folder.
    return len(parts) > 1 and bool(parts[0] and parts[-1]) and all(map(is_visible, parts))
