"""Recognises JPEGs that need no re-encoding, by their headers. Imports no TensorFlow."""

import struct

from trainer.decoding.limits import Limits

_START = b"\xff\xd8"
# The markers of frame headers, SOF0 to SOF15 in ITU-T T.81, table B.1. Between them lie the numbers
# of three other markers: DHT, JPG and DAC.
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
# A JPEG whose frame header is of a different type may have any number of scans.
_SEQUENTIAL = (0xC0, 0xC1)
# Compressed data never contain the marker of a scan: a zero follows each 0xFF in them.
_SCAN, _MOST_SCANS = b"\xff\xda", 100
# Bytes after 0xFF that do not begin a segment with a length: a stuffed zero, TEM, RST0 to RST7,
# SOI, EOI, SOS (the start of a scan), and a fill byte.
_NO_SEGMENTS = frozenset({0x00, 0x01, *range(0xD0, 0xDB), 0xFF})
_FRAME = struct.Struct(">xBHxHHB")  # 0xFF, marker, length, precision, height, width, channels


def is_plain_jpeg(encoded: bytes, limits: Limits) -> bool:
    """Whether a file is a JPEG with three channels, without EXIF, and within the limits.

    Only headers are read: the pixels may be damaged. A JPEG with stray bytes between its segments,
    or with too many scans, does not count as plain.
    """
    if not encoded.startswith(_START):
        return False
    position = len(_START)
    while position + _FRAME.size <= len(encoded):
        if encoded[position] != 0xFF or encoded[position + 1] in _NO_SEGMENTS:
            return False
        marker, length, height, width, channels = _FRAME.unpack_from(encoded, position)
        if marker in _FRAMES:
            return (
                channels == 3
                and 0 < max(height, width) <= limits.max_side
                and 0 < height * width <= limits.max_pixels
                and (marker in _SEQUENTIAL or not has_many_scans(encoded))
            )
        if encoded.startswith(b"Exif", position + 4):
            return False
        position += 2 + length
    return False


def has_many_scans(encoded: bytes) -> bool:
    """Whether a JPEG has more than 100 scans. Decoding such a file may take minutes."""
    return encoded.count(_SCAN) > _MOST_SCANS
