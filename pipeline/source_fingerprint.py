"""The fingerprint under which the examples of a source are in the cache."""

from pathlib import Path

from common.fingerprint import hash_bytes
from components.image_example_gen.sources.base import Source
from components.image_example_gen.unread import read_unread


def find_fingerprint(source: Source, unread_notes: str, cache: Path) -> str:
    """The fingerprint of `source`; another one, if it has an image again that was away before.

    Args:
      source: prepared.
      unread_notes: directory of the notes of `components.image_example_gen.unread`.
      cache: as `Source.fingerprint` takes it.
    """
    fingerprint = source.fingerprint(cache)
    while unread := read_unread(unread_notes, fingerprint):
        if not source.has_any(unread, cache):
            break
        fingerprint = hash_bytes(f"{fingerprint} read again".encode())
    return fingerprint
