"""A manifest of labelled images: flowers.csv with lines such as `daisy/1.jpg,daisy`."""

import functools
import os
import posixpath
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from common.content_index import FileContent, index_path, read_contents
from common.errors import InputError
from components.image_example_gen.sources.base import (
    NO_LABEL,
    ImageReference,
    Source,
    SourceImage,
)
from components.image_example_gen.sources.bucket_listing import ListedFile, list_files
from components.image_example_gen.sources.class_list import ClassList, sort_names
from components.image_example_gen.sources.file_reading import read_file, read_images
from components.image_example_gen.sources.given_splits import GivenSplits
from components.image_example_gen.sources.manifest_rows import Row, is_unassigned, read_rows


class ManifestSource(Source):
    """The images that a manifest lists. A manifest is a CSV, JSON Lines or Parquet file.

    The manifest and the images are on this machine or in a bucket. A path in the manifest is
    relative to the folder of the manifest, or absolute, or a URI. An image that is missing, or that
    has no label, is quarantined.
    """

    def __init__(
        self,
        path: str,
        splits: Mapping[str, Sequence[str]] | None = None,
        classes: Sequence[str] = (),
    ) -> None:
        """
        Args:
          path: path or URI of the manifest.
          splits: for each split, the names that the manifest uses for it; if None, common names
            such as `val` are recognised.
          classes: the class names; if empty, the class names in the manifest.
        """
        self._path = path
        self._splits = GivenSplits(splits)
        self._given_classes = tuple(classes)

    def check(self) -> None:
        if "://" not in self._path:
            self.prepare()

    def prepare(self, cache: Path | None = None) -> None:
        if len(self.classes()) < 2:
            raise InputError(
                f"{self._path}: found {len(self.classes())} classes; expected at least 2"
            )
        for row in self._rows:
            self._split(row)
        paths = [self._locate(row.path) for row in self._rows]
        if not any("://" in path or os.path.lexists(path) for path in paths):
            raise InputError(
                f"{self._path}: none of its {len(paths)} images exists, for example {paths[0]}; "
                "expected paths relative to the manifest, absolute paths, or URIs"
            )

    @functools.cached_property
    def _rows(self) -> list[Row]:
        try:
            content = read_file(self._path)
        except OSError as error:
            raise InputError(
                f"{self._path}: {error.strerror or error}; expected a manifest that can be read"
            ) from error
        return read_rows(self._path, content)

    @functools.cached_property
    def _classes(self) -> ClassList:
        found = sort_names({row.label for row in self._rows if row.label})
        return ClassList(self._given_classes, found, self._path)

    def classes(self) -> tuple[str, ...]:
        return self._classes.names

    def _list_images(self, cache: Path | None) -> Sequence[ImageReference]:
        locations = [self._locate(row.path) for row in self._rows]
        contents = self._local_contents(locations, cache) | _remote_contents(locations)
        return [
            ImageReference(
                file_name=row.path,
                label=self._classes.label(row.label) if row.label else NO_LABEL,
                location=location,
                size=contents[location].size,
                digest=contents[location].digest,
                split=self._split(row),
                group=row.group,
            )
            for row, location in zip(self._rows, locations, strict=True)
        ]

    def read(self, images: Iterable[ImageReference]) -> Iterator[SourceImage]:
        return read_images(images)

    def _locate(self, path: str) -> str:
        if "://" in path or os.path.isabs(path):
            return path
        folder = self._path.rpartition("/")[0] or "."
        scheme, separator, rest = folder.rpartition("://")
        # A storage service does not resolve `..` in the path of an object, so `..` is resolved
        # here.
        return (
            f"{scheme}://{posixpath.normpath(f'{rest}/{path}')}"
            if separator
            else f"{folder}/{path}"
        )

    def _split(self, row: Row) -> str:
        if is_unassigned(row.split):
            return ""
        split = self._splits.find(row.split)
        if split is None:
            raise InputError(
                f"{self._path}: line {row.line}: found the split {row.split}; expected train, "
                f"validation or test, or a name that ingest.splits lists"
            )
        return split

    def _local_contents(
        self, locations: Sequence[str], cache: Path | None
    ) -> dict[str, FileContent]:
        index = index_path(cache, os.path.realpath(self._path))
        local = sorted({location for location in locations if "://" not in location})
        return {content.name: content for content in read_contents([(p, p) for p in local], index)}


def _remote_contents(locations: Sequence[str]) -> dict[str, FileContent]:
    """Returns the size and the `ListedFile.digest` of each image in a bucket.

    For an image that is missing from the bucket, the size is 0 and the digest is empty.
    """
    remote = [location for location in locations if "://" in location]
    listed: dict[str, ListedFile] = {}
    for directory in _roots({location.rpartition("/")[0] for location in remote}):
        listed |= {file.uri: file for file in list_files(directory)}
    return {
        uri: FileContent(uri, listed[uri].size, listed[uri].digest)
        if uri in listed
        else FileContent(uri, 0, "")
        for uri in remote
    }


def _roots(folders: set[str]) -> list[str]:
    """Returns `folders` without those that are inside another folder of the set.

    The listing of a folder includes the files in its subfolders, so the subfolders need not be
    listed separately.
    """
    roots: list[str] = []
    for candidate in sorted(f"{name}/" for name in folders):
        if not roots or not candidate.startswith(roots[-1]):
            roots.append(candidate)
    return [root.removesuffix("/") for root in roots]
