"""Computes the fingerprint of a data source, which is part of ImageExampleGen's cache key."""

from pathlib import Path

from common.fingerprint import hash_bytes
from components.image_example_gen.sources.base import Source
from components.image_example_gen.unread import read_unread


def find_fingerprint(source: Source, unread_notes: str, cache: Path) -> str:
    """Returns the fingerprint of the data source for ImageExampleGen's cache key.

    If an earlier run could not read some images, and one of them is readable now, the fingerprint
    changes, so that ImageExampleGen reads the images again.

    Args:
      source: the data source; its method `prepare` must have been called.
      unread_notes: the directory in which `components.image_example_gen.unread` lists the images
        that earlier runs could not read.
      cache: the directory in which the source keeps file digests and lists of images for later
        runs.
    """
    fingerprint = source.fingerprint(cache)
    while unread := read_unread(unread_notes, fingerprint):
        if not source.has_any(unread, cache):
            break
        fingerprint = hash_bytes(f"{fingerprint} read again".encode())
    return fingerprint
