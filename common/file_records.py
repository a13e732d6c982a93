"""Records the sizes and digests of the files in a directory tree, to detect damaged files later."""

import hashlib
import os
from collections.abc import Iterator, Mapping
from typing import NamedTuple

import tensorflow as tf

from common.saved_model import GRAPH_FILE

_CHUNK = 1 << 20  # number of bytes that are read at a time


class FileRecord(NamedTuple):
    """The recorded size, digest and modification time of a file.

    Attributes:
      size: the size of the file in bytes.
      sha256: the SHA-256 of the content, 64 hex digits.
      modified: the time of modification, in nanoseconds since 1970.
    """

    size: int
    sha256: str
    modified: int


def record_files(directory: str) -> dict[str, FileRecord]:
    """Reads all files in a directory tree, on a disk or in a bucket.

    Returns a dictionary that maps each path, relative to `directory`, to the record of the file.
    """
    return {name: _read(f"{directory}/{name}") for name in sorted(list_files(directory))}


def list_files(directory: str) -> Iterator[str]:
    """Returns the relative paths of the files below `directory`, in no particular order."""
    for parent, _, names in tf.io.gfile.walk(directory):
        folder = parent.rstrip("/").removeprefix(directory.rstrip("/")).lstrip("/")
        for name in names:
            yield f"{folder}/{name}" if folder else name


def list_graph_last(directory: str) -> list[str]:
    """Returns the sorted relative paths of a SavedModel's files, but with `saved_model.pb` last.

    If a program copies the files in the returned order, the copy is complete as soon as it contains
    `saved_model.pb`.
    """
    return sorted(list_files(directory), key=lambda name: (name == GRAPH_FILE, name))


def hash_records(records: Mapping[str, FileRecord]) -> str:
    """Returns the SHA-256, as 64 hex digits, of the names and digests in `records`."""
    lines = (f"{name}\0{record.sha256}\n" for name, record in sorted(records.items()))
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def find_damage(
    directory: str, recorded: Mapping[str, FileRecord], *, trust_times: bool = False
) -> str | None:
    """Returns a description of the first file that differs from its record; None if none differs.

    Args:
      directory: the directory with the files. Files that are not in `recorded` are ignored.
      recorded: the records that `record_files` returned.
      trust_times: whether a file with the recorded size and modification time counts as undamaged
        without being read.
    """
    unsure = []
    for name, content in recorded.items():
        path = f"{directory}/{name}"
        if not tf.io.gfile.exists(path):
            return f"{path} is missing"
        size, modified = _stat(path)
        if size != content.size:
            return f"{path} has {size} bytes, where {content.size} were recorded"
        if not trust_times or modified != content.modified:
            unsure.append(path)
    # Compare all sizes before reading any file, because reading is slow.
    for path in unsure:
        if _read(path).sha256 != recorded[path.removeprefix(f"{directory}/")].sha256:
            return f"{path} has changed since it was recorded"
    return None


def _read(path: str) -> FileRecord:
    _, modified = _stat(path)
    digest, size = hashlib.sha256(), 0
    with tf.io.gfile.GFile(path, "rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
            size += len(chunk)
    return FileRecord(size, digest.hexdigest(), modified)


def _stat(path: str) -> tuple[int, int]:
    """Returns the size of a file in bytes, and its time of modification in ns."""
    if "://" in path:
        found = tf.io.gfile.stat(path)
        return found.length, found.mtime_nsec
    local = os.stat(path)  # for local files, TensorFlow returns times only in whole seconds
    return local.st_size, local.st_mtime_ns
