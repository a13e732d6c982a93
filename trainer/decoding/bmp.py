"""Decodes BMP files without compression, of 1, 4, 8, 24 or 32 bits per pixel.

The format is described at learn.microsoft.com/windows/win32/gdi/bitmap-storage. This module does
not use TensorFlow's decoder, which reads palette indices as shades of grey.
"""

import tensorflow as tf

from trainer.decoding.file_bytes import FileBytes, little_endian
from trainer.decoding.header import Header

_DEPTHS = (1, 4, 8, 24, 32)
_FILE_HEADER = 14


def read_header(file: FileBytes) -> Header:
    """Reads the header of a BMP file.

    The graph raises an error if the pixels are compressed, if the bit depth is not in `_DEPTHS`, or
    if the header has fewer than 40 bytes, as in files of OS/2 1.x.
    """
    fields = file.window(_FILE_HEADER, 20)
    depth = little_endian(fields[14:16])
    is_known = (
        (little_endian(fields[0:4]) >= 40)
        & tf.equal(little_endian(fields[16:20]), 0)
        & tf.reduce_any(tf.equal(depth, _DEPTHS))
    )
    with tf.control_dependencies(
        [tf.debugging.Assert(is_known, ["this kind of BMP is not supported"])]
    ):
        height = tf.bitcast(file.slice(_FILE_HEADER + 8, 4), tf.int32)
    return Header(
        height=tf.abs(height),
        width=little_endian(fields[4:8]),
        exif=b"",
        has_alpha=False,
    )


def decode(file: FileBytes, header: Header) -> tf.Tensor:
    """Returns the pixels, uint8 [h, w, 3].

    In a file with 32 bits per pixel, the function ignores the last 8 bits of each pixel.
    """
    fields = file.window(_FILE_HEADER, 36)
    depth = little_endian(fields[14:16])
    stride = (header.width * depth + 31) // 32 * 4
    pixels = file.slice(little_endian(file.window(10, 4)), stride * header.height)
    rows = tf.reshape(pixels, [header.height, stride])  # reshaping fails if pixels are missing
    is_top_down = fields[11] >= 128
    rows = tf.cond(is_top_down, lambda: rows, lambda: tf.reverse(rows, [0]))

    def with_channels() -> tf.Tensor:
        channels = depth // 8
        used = rows[:, : header.width * channels]
        return tf.reshape(used, [header.height, header.width, channels])[..., 2::-1]

    def with_palette() -> tf.Tensor:
        most = tf.bitwise.left_shift(1, depth)
        shifts = tf.range(8 - depth, -1, -depth)
        parts = tf.bitwise.right_shift(tf.cast(rows, tf.int32)[..., tf.newaxis], shifts) % most
        indices = tf.reshape(parts, [header.height, stride * 8 // depth])[:, : header.width]
        colors = tf.reshape(_palette(file, fields, most), [-1, 4])[:, 2::-1]
        return tf.gather(colors, indices)

    return tf.cond(depth <= 8, with_palette, with_channels)


def _palette(file: FileBytes, fields: tf.Tensor, most: tf.Tensor) -> tf.Tensor:
    """Returns a palette of up to `most` colours, uint8 [4 n]: blue, green, red and 0 for each."""
    used = little_endian(fields[32:36])
    count = tf.where((used > 0) & (used < most), used, most)
    return file.slice(_FILE_HEADER + little_endian(fields[0:4]), 4 * count)
