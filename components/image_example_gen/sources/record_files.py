"""Finds record files on this machine and in buckets. Imports no TensorFlow."""

import fnmatch
import glob
import os
from typing import NamedTuple

from components.image_example_gen.sources.bucket_listing import list_files
from components.image_example_gen.sources.visible import is_visible

# A file in a folder counts as a record file if its name contains this text.
MARK = "tfrec"


class RecordFile(NamedTuple):
    """A record file.

    Attributes:
      name: the path of the file, relative to the folder, or to the part of a pattern before the
        first *.
      path: path or URI.
      size: number of bytes in a bucket; 0 on this machine.
      digest: in a bucket, the SHA-256 of the checksum in its listing, 64 hex digits; empty on this
        machine.
    """

    name: str
    path: str
    size: int = 0
    digest: str = ""


def find_record_files(path: str) -> list[RecordFile]:
    """Returns the record files that a path names, sorted.

    Args:
      path: path or URI of a file; a pattern with * and ?; or the path of a folder on this machine.
    """
    if "://" in path:
        start = _folder_of(path)
        return sorted(
            RecordFile(file.uri[len(start) :], file.uri, file.size, file.digest)
            for file in list_files(start.removesuffix("/"))
            if fnmatch.fnmatchcase(file.uri, path)
        )
    if os.path.isdir(path):
        start = os.path.join(path, "")
        names = filter(is_record_file, os.listdir(path))
        return sorted(RecordFile(name, start + name) for name in names)
    start = _folder_of(path)
    found = [path] if os.path.isfile(path) else filter(os.path.isfile, glob.glob(path))
    return sorted(RecordFile(file[len(start) :], file) for file in found)


def is_record_file(name: str) -> bool:
    """Whether a file in a folder counts as a record file."""
    return MARK in name.lower() and is_visible(name)


def _folder_of(pattern: str) -> str:
    """Returns the folder that contains all files of a pattern, with a slash at its end."""
    fixed = pattern.partition("*")[0].partition("?")[0]
    return fixed[: fixed.rfind("/") + 1]
