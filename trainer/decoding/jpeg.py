"""Decodes JPEG files.

ITU-T T.81, annex B, describes the markers. Exif 2.32, section 4.7.2, describes the segment APP1,
which contains the EXIF.
"""

from typing import NamedTuple

import tensorflow as tf

from trainer.decoding.file_bytes import FileBytes, big_endian, equals
from trainer.decoding.header import Header

# With INTEGER_FAST, TensorFlow's default, the mean error of an image's pixel values can reach 18 of
# 255, if the JPEG quality is above 92. With INTEGER_ACCURATE, the mean error is 1.4 of 255 at
# quality 98. INTEGER_ACCURATE is not slower than INTEGER_FAST.
DCT_METHOD = "INTEGER_ACCURATE"

# The kinds of markers. A `_SEGMENT` marker begins a segment that contains its own length.
# A `_FRAME` marker begins a frame header. An `_END` marker comes before the pixels (SOS) or at the
# end of the file (EOI). A `_BARE` marker has no content (a stuffed zero, TEM, RST0 to RST7, SOI).
# `_FILL` stands for a fill byte, and `_RUBBISH` stands for bytes that are not a marker.
_SEGMENT, _FRAME, _END, _BARE, _FILL, _RUBBISH = range(6)
_KINDS = [
    *[_BARE] * 2,
    *[_SEGMENT] * (0xC0 - 2),
    *[_FRAME] * 4,  # SOF0 to SOF15 are frame headers; DHT, JPG and DAC between them are not
    _SEGMENT,
    *[_FRAME] * 3,
    _SEGMENT,
    *[_FRAME] * 3,
    _SEGMENT,
    *[_FRAME] * 3,
    *[_BARE] * 9,
    *[_END] * 2,  # the markers EOI and SOS
    *[_SEGMENT] * (0xFF - 0xDB),
    _FILL,
]
_APP1 = 0xE1
_MOST_SEGMENTS = 2000
_LONGEST_SEGMENT = 2**16  # the length of a segment is a number of 16 bits
_SEARCHED = 4096  # number of bytes that are searched for the next marker in one step


class Frame(NamedTuple):
    """The header of a JPEG file: the frame header, and the position of the EXIF block.

    Attributes:
      height, width, channels: the fields of the frame header, int32 []; 0 if there is no frame
        header.
      exif: position of the EXIF block, int32 []; -1 if there is none.
    """

    height: tf.Tensor
    width: tf.Tensor
    channels: tf.Tensor
    exif: tf.Tensor


def read_header(file: FileBytes) -> Header:
    """Reads the header of a JPEG."""
    frame = read_frame(file)
    return Header(
        height=frame.height,
        width=frame.width,
        exif=file.string(frame.exif, _LONGEST_SEGMENT),
        has_alpha=False,
        is_rgb_jpeg=tf.equal(frame.channels, 3),
    )


def read_frame(file: FileBytes) -> Frame:
    """Reads the markers of a file up to the frame header, which comes after the EXIF block."""

    def step(
        position: tf.Tensor, exif: tf.Tensor, frame: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        segment = file.window(position, 10)
        kind = tf.where(tf.equal(segment[0], 0xFF), _kind_of(segment[1]), _RUBBISH)
        is_exif = tf.equal(segment[1], _APP1) & equals(segment[4:10], b"Exif\0\0")
        advance = tf.switch_case(
            kind,
            [
                lambda: 2 + big_endian(segment[2:4]),
                lambda: file.size,
                lambda: file.size,
                lambda: 2,
                lambda: 1,
                lambda: _to_next_marker(file, position),
            ],
        )
        return (
            position + tf.maximum(advance, 1),
            tf.where(is_exif & tf.equal(kind, _SEGMENT) & (exif < 0), position + 10, exif),
            tf.where(tf.equal(kind, _FRAME), position, frame),
        )

    _, exif, frame = tf.while_loop(
        lambda position, *_: position < file.size,
        step,
        (tf.constant(2), tf.constant(-1), tf.constant(-1)),
        maximum_iterations=_MOST_SEGMENTS,
        parallel_iterations=1,
    )
    return _read_fields(file, frame, exif)


def read_plain_frame(file: FileBytes) -> Frame:
    """Reads the frame header of a JPEG without EXIF and without bytes between segments.

    This function has fewer ops than `read_frame`. For any other file, `height`, `width` and
    `channels` are 0. `exif` is always -1.
    """

    def step(position: tf.Tensor, _: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        segment = file.window(position, 6)
        kind = _kind_of(segment[1])
        is_other = tf.not_equal(segment[0], 0xFF) | equals(segment[4:6], b"Ex")
        # At the frame header, the loop ends, and must return the position of the frame header.
        length = tf.where(tf.equal(kind, _FRAME), 0, 2 + 256 * segment[2] + segment[3])
        return position + length, tf.where(is_other, _END, kind)

    position, kind = tf.while_loop(
        lambda _, kind: tf.equal(kind, _SEGMENT),
        step,
        (tf.constant(2), tf.constant(_SEGMENT)),
        maximum_iterations=_MOST_SEGMENTS,
        parallel_iterations=1,
    )
    is_jpeg = equals(file.window(0, 3), b"\xff\xd8\xff")
    frame = tf.where(is_jpeg & tf.equal(kind, _FRAME), position, -1)
    return _read_fields(file, frame, tf.constant(-1))


def _read_fields(file: FileBytes, frame: tf.Tensor, exif: tf.Tensor) -> Frame:
    fields = file.window(frame, 10)  # all fields are zero if no frame header was found
    return Frame(big_endian(fields[5:7]), big_endian(fields[7:9]), fields[9], exif)


def _kind_of(marker: tf.Tensor) -> tf.Tensor:
    return tf.gather(_KINDS, marker)


def _to_next_marker(file: FileBytes, position: tf.Tensor) -> tf.Tensor:
    """Returns the number of bytes before the next 0xFF, int32 []; at most `_SEARCHED`."""
    is_start = tf.equal(file.slice(position, _SEARCHED), 0xFF)
    end = tf.fill([_SEARCHED + 1 - tf.size(is_start)], True)
    return tf.argmax(tf.concat([is_start, end], axis=0), output_type=tf.int32)


def decode(file: FileBytes) -> tf.Tensor:
    """Returns the stored pixels, uint8 [h, w, 3]; grey, CMYK and YCCK are converted to RGB."""
    return tf.io.decode_jpeg(file.encoded, channels=3, dct_method=DCT_METHOD)
