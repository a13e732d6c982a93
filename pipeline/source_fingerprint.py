"""Computes the fingerprint of a source, which is part of the cache key of its examples."""

from pathlib import Path

from common.fingerprint import hash_bytes
from components.image_example_gen.sources.base import Source
from components.image_example_gen.unread import read_unread


def find_fingerprint(source: Source, unread_notes: str, cache: Path) -> str:
    """Returns the fingerprint of `source`.

    The fingerprint also changes when an image that an earlier run could not read is readable again.

    Args:
      source: the source, after `prepare`.
      unread_notes: directory of the notes that `components.image_example_gen.unread` writes.
      cache: the cache directory, as for `Source.fingerprint`.
    """
    fingerprint = source.fingerprint(cache)
    while unread := read_unread(unread_notes, fingerprint):
        if not source.has_any(unread, cache):
            break
        fingerprint = hash_bytes(f"{fingerprint} read again".encode())
    return fingerprint
