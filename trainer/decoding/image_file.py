"""Decodes images of all formats that TensorFlow can decode, to upright RGB pixels of limited size.

ImageExampleGen and the exported model run the same ops, so ingestion and serving treat an image in
the same way.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import tensorflow as tf

from trainer.decoding import bmp, gif, jpeg, png, webp
from trainer.decoding.file_bytes import FileBytes
from trainer.decoding.header import Header
from trainer.decoding.limits import Limits
from trainer.decoding.orientation import UPRIGHT, turn_upright


class Format(NamedTuple):
    """A file format of images.

    Attributes:
      name: the name of the format, for messages.
      magic: the first bytes of a file of this format; a space stands for any byte.
      read_header, decode: the functions of the format's module.
    """

    name: str
    magic: bytes
    read_header: Callable[[FileBytes], Header]
    decode: Callable[[FileBytes, Header, Limits], tf.Tensor]


FORMATS = (
    Format("JPEG", b"\xff\xd8\xff", jpeg.read_header, lambda file, *_: jpeg.decode(file)),
    Format(
        "PNG",
        b"\x89PNG\r\n\x1a\n",
        png.read_header,
        lambda file, header, limits: png.decode(file, header, limits.max_value),
    ),
    Format("GIF", b"GIF8 a", gif.read_header, lambda file, header, _: gif.decode(file, header)),
    Format("BMP", b"BM", bmp.read_header, lambda file, header, _: bmp.decode(file, header)),
    Format(
        "WebP", b"RIFF    WEBP", webp.read_header, lambda file, header, _: webp.decode(file, header)
    ),
)
_ANY = ord(" ")


class Decoded(NamedTuple):
    """A decoded image.

    Attributes:
      image: uint8 [h, w, 3]: upright, on white, its longer side at most `Limits.max_side`.
      is_as_stored: whether the file is a JPEG with exactly these pixels, bool [].
    """

    image: tf.Tensor
    is_as_stored: tf.Tensor


def find_format(encoded: bytes) -> Format | None:
    """Returns the format of a file by its first bytes; None if the file has none of `FORMATS`."""

    def is_of(format: Format) -> bool:
        start = encoded[: len(format.magic)].ljust(len(format.magic), b"\0")
        pairs = zip(start, format.magic, strict=True)
        return all(expected in (byte, _ANY) for byte, expected in pairs)

    return next(filter(is_of, FORMATS), None)


def decode_plain_jpeg(encoded: tf.Tensor, limits: Limits) -> tf.Tensor:
    """Decodes an upright JPEG within the limits with few ops; most images are such JPEGs.

    Args:
      encoded: the file, string [].
      limits: the limits for the sizes of images, and their value of white.

    Returns:
      uint8 [h, w, 3], the same as `decode_upright` returns.

    Raises:
      InvalidArgumentError: when the graph runs: the file is no upright JPEG within the limits, or
        is damaged.
    """
    file = FileBytes(encoded)
    frame = jpeg.read_plain_frame(file)
    sides = tf.stack([frame.height, frame.width])
    is_plain = tf.reduce_all((sides > 0) & (sides <= limits.max_side))
    is_plain &= tf.reduce_prod(tf.cast(sides, tf.int64)) <= limits.max_pixels
    with tf.control_dependencies([tf.debugging.Assert(is_plain, ["not a plain JPEG"])]):
        return tf.ensure_shape(jpeg.decode(file), [None, None, 3])


def decode_upright(
    encoded: tf.Tensor, limits: Limits, formats: Sequence[Format] = FORMATS
) -> Decoded:
    """Decodes an image of any of the formats.

    Args:
      encoded: the file, string [].
      limits: the limits for the sizes of images, and their value of white.
      formats: the formats that the graph decodes; with fewer formats, it is built faster.

    Raises:
      InvalidArgumentError: when the graph runs: the file has none of the formats, is damaged or
        cut off, or has too many pixels.
    """
    file = FileBytes(encoded)
    is_format = tf.stack([_starts_with(file, format.magic) for format in formats])
    with tf.control_dependencies(
        [tf.debugging.Assert(tf.reduce_any(is_format), ["not an image of a known format"])]
    ):
        index = tf.argmax(is_format, output_type=tf.int32)
    branches = [lambda format=format: _decode_as(format, file, limits) for format in formats]
    image, orientation, is_upright_jpeg = tf.switch_case(index, branches)
    is_large = tf.reduce_max(tf.shape(image)[:2]) > limits.max_side
    image = tf.cond(is_large, lambda: _shrink(image, limits.max_side), lambda: image)
    return Decoded(turn_upright(image, orientation), is_upright_jpeg & ~is_large)


# The stored pixels, uint8 [h, w, 3]; the orientation of the image; and whether the file is an
# upright RGB JPEG.
_Stored = tuple[tf.Tensor, tf.Tensor, tf.Tensor]


def _starts_with(file: FileBytes, magic: bytes) -> tf.Tensor:
    start, expected = file.window(0, len(magic)), list(magic)
    return tf.reduce_all(tf.equal(start, expected) | tf.equal(expected, _ANY))


def _decode_as(format: Format, file: FileBytes, limits: Limits) -> _Stored:
    header = format.read_header(file)
    with tf.control_dependencies(_check_size(header, limits.max_pixels)):
        image = format.decode(file, Header(*map(tf.identity, header)), limits)
    is_rgb = tf.logical_and(header.has_colors, tf.logical_not(header.has_alpha))
    return (
        tf.ensure_shape(image, [None, None, 3]),
        tf.convert_to_tensor(header.orientation),
        is_rgb & tf.equal(header.orientation, UPRIGHT) & (format.name == "JPEG"),
    )


def _check_size(header: Header, max_pixels: int) -> list[tf.Operation]:
    pixels = tf.cast(header.height, tf.int64) * tf.cast(header.width, tf.int64)
    return [
        tf.debugging.Assert(pixels > 0, ["the header is damaged: it states no size"]),
        tf.debugging.Assert(
            pixels <= max_pixels,
            ["of", header.width, "x", header.height, f"pixels; at most {max_pixels} are decoded"],
        ),
    ]


def _shrink(image: tf.Tensor, max_side: int) -> tf.Tensor:
    """Scales uint8 [h, w, 3] so that the longer side is `max_side`; Lanczos3, with antialiasing."""
    size = tf.cast(tf.shape(image)[:2], tf.float64)
    smaller = tf.round(size * max_side / tf.reduce_max(size))
    resized = tf.image.resize(
        image, tf.maximum(tf.cast(smaller, tf.int32), 1), method="lanczos3", antialias=True
    )
    return tf.saturate_cast(tf.round(resized), tf.uint8)
