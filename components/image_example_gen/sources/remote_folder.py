"""A folder of class folders on remote storage: gs://bucket/flowers/daisy/1.jpg, …"""

import functools
import hashlib
from typing import Any

from components.image_example_gen.sources.base import TRAIN, Source, SourceImage
from trainer.errors import InputError


class RemoteFolderSource(Source):
    """As `FolderSource`, by Beam's file systems: whatever has a scheme that Beam knows.

    Each folder directly below `path` is a class; each object below that is an image of it. Names
    that begin with a dot are left out.
    """

    def __init__(self, path: str) -> None:
        self._path = path.rstrip("/")

    def prepare(self) -> None:
        if len(self.classes()) < 2:
            raise InputError(
                f"{self._path}: found {len(self.classes())} class folders; expected at least 2, "
                "each with the images of one class"
            )

    def classes(self) -> tuple[str, ...]:
        return tuple(sorted({name.split("/", 1)[0] for name, _ in self._files}))

    def splits(self) -> tuple[str, ...]:
        return (TRAIN,)

    def fingerprint(self) -> str:
        digest = hashlib.sha256()
        for name, found in self._files:
            changed = found.last_updated_in_seconds
            digest.update(f"{name}\0{found.size_in_bytes}\0{changed}\n".encode())
        return digest.hexdigest()

    def read(self, split: str) -> Any:
        import apache_beam as beam

        return (
            f"List[{split}]" >> beam.Create(self._shuffled())
            | f"Spread[{split}]" >> beam.Reshuffle()
            | f"Read[{split}]" >> beam.MapTuple(_read)
        )

    def _shuffled(self) -> list[tuple[str, int, str]]:
        """File name, label and URI of all files, always in the same random order."""
        labels = {name: label for label, name in enumerate(self.classes())}
        files = [(name, labels[name.split("/", 1)[0]], found.path) for name, found in self._files]
        return sorted(files, key=lambda file: hashlib.sha256(file[0].encode()).digest())

    @functools.cached_property
    def _files(self) -> list[tuple[str, Any]]:
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
    folder, slash, rest = name.partition("/")
    return bool(slash and rest) and not any(
        part.startswith(".") for part in (folder, *rest.split("/"))
    )


def _read(file_name: str, label: int, path: str) -> SourceImage:
    from apache_beam.io.filesystems import FileSystems

    try:
        with FileSystems.open(path) as file:
            return SourceImage(file_name, label, file.read())
    except OSError as error:  # it vanished, or may not be read: that is counted, not lost
        return SourceImage(file_name, label, b"", error=f"cannot be read: {error}")
