"""Finds TFRecord files on this machine and in buckets.

This module does not import TensorFlow, which takes seconds to import.
"""

import fnmatch
import glob
import os
from typing import NamedTuple

from components.image_example_gen.sources.bucket_listing import list_files
from components.image_example_gen.sources.visible import is_visible

# A file in a folder counts as a TFRecord file if its name contains the text of `MARK`, in upper or
# lower case.
MARK = "tfrec"


class RecordFile(NamedTuple):
    """A TFRecord file.

    Attributes:
      name: the path of the file, relative to the folder of the TFRecord files; for a pattern,
        relative to the last folder before the first * or ?.
      path: path or URI of the file.
      size: the size of a file in a bucket, in bytes; 0 for a file on this machine.
      digest: the `ListedFile.digest` of a file in a bucket, 64 hex digits; empty for a file on this
        machine.
    """

    name: str
    path: str
    size: int = 0
    digest: str = ""


def find_record_files(path: str) -> list[RecordFile]:
    """Returns the TFRecord files that `path` refers to, sorted by name.

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
    """Whether a file in a folder counts as a TFRecord file, judged by its name."""
    return MARK in name.lower() and is_visible(name)


def _folder_of(pattern: str) -> str:
    """Returns the folder that contains all files that match `pattern`, with a slash at its end."""
    fixed = pattern.partition("*")[0].partition("?")[0]
    return fixed[: fixed.rfind("/") + 1]
