"""Records of the files below a directory, to see later whether they are as they were written."""

import hashlib
import os
from collections.abc import Iterator, Mapping
from typing import NamedTuple

import tensorflow as tf

_CHUNK = 1 << 20  # bytes that are read at a time


class FileRecord(NamedTuple):
    """The record of a file.

    Attributes:
      size: in bytes.
      sha256: 64 hex digits.
      modified: when it was last written, in nanoseconds since 1970.
    """

    size: int
    sha256: str
    modified: int


def record_files(directory: str) -> dict[str, FileRecord]:
    """Reads each file below `directory`, on a disk or in a bucket; its record by relative path."""
    return {name: _read(f"{directory}/{name}") for name in sorted(list_files(directory))}


def list_files(directory: str) -> Iterator[str]:
    """Returns the relative paths of the files below `directory`, in no particular order."""
    for parent, _, names in tf.io.gfile.walk(directory):
        folder = parent.rstrip("/").removeprefix(directory.rstrip("/")).lstrip("/")
        for name in names:
            yield f"{folder}/{name}" if folder else name


def hash_records(records: Mapping[str, FileRecord]) -> str:
    """Returns the SHA-256 of names and contents, 64 hex digits."""
    lines = (f"{name}\0{record.sha256}\n" for name, record in sorted(records.items()))
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def find_damage(
    directory: str, recorded: Mapping[str, FileRecord], *, trust_times: bool = False
) -> str | None:
    """Finds the first file that differs from its record, and how; None if all are the same.

    Args:
      directory: whose files were recorded. Files that came later do not matter.
      recorded: the record that `record_files` returned.
      trust_times: whether a file of the recorded size and time is taken to be as it was. All others
        are read.
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
    # Only where all sizes are right is there anything to be learned from the bytes.
    for path in unsure:
        if _read(path).sha256 != recorded[path.removeprefix(f"{directory}/")].sha256:
            return f"{path} has other bytes than were recorded"
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
    """Returns size and time of change of a file. On a disk, TensorFlow gives whole seconds."""
    if "://" in path:
        found = tf.io.gfile.stat(path)
        return found.length, found.mtime_nsec
    local = os.stat(path)
    return local.st_size, local.st_mtime_ns
