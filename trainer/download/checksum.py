"""Checksums that a server states in the header of its answer."""

import base64
import binascii
import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path

Checksums = dict[str, str]  # "sha256", "md5" or "crc32c" -> hexadecimal digits

_NAMES = {"sha-256": "sha256", "sha256": "sha256", "md5": "md5", "crc32c": "crc32c"}
_LENGTHS = {"sha256": 32, "md5": 16, "crc32c": 4}  # bytes
_BLOCK = 1 << 20  # bytes


def stated(header: Mapping[str, str]) -> Checksums:
    """The checksums in a header, of the whole of what is answered.

    Sources: `Content-MD5`, RFC 2616 section 14.15; `Digest`, RFC 3230; `Repr-Digest`, RFC 9530;
    `x-goog-hash`, Google Cloud Storage. What is of another kind, or malformed, is left out.
    """
    found = {}
    for name, value in _pairs(header):
        kind = _NAMES.get(name.strip().lower())
        try:
            digest = base64.b64decode(value.strip().strip(":"), validate=True)
        except binascii.Error:
            continue
        if kind and len(digest) == _LENGTHS[kind]:
            found[kind] = digest.hex()
    return found


def differing(path: Path, checksums: Checksums) -> str | None:
    """The kind of the strongest checksum, if the file's is another one; None if it agrees."""
    for kind in _LENGTHS:
        if kind in checksums:
            return kind if _of_file(path, kind) != checksums[kind] else None
    return None


def _pairs(header: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    if "Content-MD5" in header:
        yield "md5", header["Content-MD5"]
    names = ["Digest", "Repr-Digest"]
    # Google states them of what is stored, which it may unpack as it sends it.
    if header.get("x-goog-stored-content-encoding", "identity") == "identity":
        names.append("x-goog-hash")
    for name in names:
        for item in header.get(name, "").split(","):
            kind, _, value = item.partition("=")
            yield kind, value


def _of_file(path: Path, kind: str) -> str:
    with path.open("rb") as file:
        if kind != "crc32c":
            return hashlib.file_digest(file, kind).hexdigest()
        import google_crc32c

        checksum = google_crc32c.Checksum()
        while block := file.read(_BLOCK):
            checksum.update(block)
        return checksum.digest().hex()
