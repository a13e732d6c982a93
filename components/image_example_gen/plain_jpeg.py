"""Recognises, by their headers, the JPEGs that ImageExampleGen can copy unchanged.

This module does not import TensorFlow, which takes seconds to import.
"""

import struct

from trainer.decoding.limits import Limits

_START = b"\xff\xd8"
# The markers of frame headers: SOF0 to SOF15 in ITU-T T.81, table B.1. The codes from SOF0 to SOF15
# also include three markers that do not begin a frame header: DHT, JPG and DAC.
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
# The frame-header markers of sequential JPEGs. In a JPEG that is not sequential, such as a
# progressive JPEG, `is_plain_jpeg` counts the scans, because decoding a JPEG with very many scans
# may take minutes.
_SEQUENTIAL = (0xC0, 0xC1)
# The marker that begins a scan. Compressed data cannot contain this marker, because in compressed
# data a zero byte follows each 0xFF.
_SCAN, _MOST_SCANS = b"\xff\xda", 100
# In a JPEG, 0xFF followed by one of these bytes does not begin a header segment: zero (it follows
# each 0xFF in compressed data), TEM, RST0 to RST7, SOI, EOI, SOS (the start of a scan), and 0xFF (a
# fill byte).
_NO_SEGMENTS = frozenset({0x00, 0x01, *range(0xD0, 0xDB), 0xFF})
_FRAME = struct.Struct(">xBHxHHB")  # 0xFF, marker, length, precision, height, width, channels


def is_plain_jpeg(encoded: bytes, limits: Limits) -> bool:
    """Whether a file is a JPEG with three channels, without EXIF, and within `limits`.

    The function returns False for a JPEG with stray bytes between its segments, and for a
    progressive JPEG with more than 100 scans. The function reads only the headers of the JPEG, and
    does not notice damaged image data.
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
    """Whether a JPEG has more than 100 scans, so that decoding it may take minutes."""
    return encoded.count(_SCAN) > _MOST_SCANS
