"""Decodes images of all formats that TensorFlow can decode, to upright RGB pixels of limited size.

ImageExampleGen and the exported model run the same ops, so ingestion and serving treat an image in
the same way.
"""

import functools
from collections.abc import Callable
from typing import NamedTuple

import tensorflow as tf

from trainer.decoding import bmp, gif, jpeg, png, webp
from trainer.decoding.file_bytes import FileBytes
from trainer.decoding.header import Header, lay_on_white
from trainer.decoding.limits import Limits
from trainer.decoding.orientation import UPRIGHT, read_orientation, turn_upright


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
      image: uint8 [h, w, 3]; upright, with transparent pixels drawn over white, and with at most
        `Limits.max_side` pixels on the longer side.
      is_as_stored: whether the file is a JPEG with three channels, and the decoded pixels were not
        scaled, rotated or mirrored, bool [].
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
    """Decodes the most common kind of image: a JPEG that is upright and within the limits.

    This function has fewer ops than `decode_upright`.

    Args:
      encoded: the file, string [].
      limits: the limits for the sizes of images, and the pixel value of white.

    Returns:
      uint8 [h, w, 3], the same image as `decode_upright` returns.

    Raises:
      InvalidArgumentError: raised when the graph runs, if the file is not a JPEG within the limits,
        contains EXIF or bytes between segments, or is damaged.
    """
    file = FileBytes(encoded)
    frame = jpeg.read_plain_frame(file)
    sides = tf.stack([frame.height, frame.width])
    is_plain = tf.reduce_all((sides > 0) & (sides <= limits.max_side))
    is_plain &= tf.reduce_prod(tf.cast(sides, tf.int64)) <= limits.max_pixels
    with tf.control_dependencies([tf.debugging.Assert(is_plain, ["not a plain JPEG"])]):
        return tf.ensure_shape(jpeg.decode(file), [None, None, 3])


def decode_upright(encoded: tf.Tensor, limits: Limits) -> Decoded:
    """Decodes an image of any of `FORMATS`.

    Args:
      encoded: the file, string [].
      limits: the limits for the sizes of images, and the pixel value of white.

    Raises:
      InvalidArgumentError: raised when the graph runs, if the file has none of `FORMATS`, is
        damaged or cut off, or has too many pixels.
    """
    file = FileBytes(encoded)
    is_format = tf.stack([_starts_with(file, format.magic) for format in FORMATS])
    with tf.control_dependencies(
        [tf.debugging.Assert(tf.reduce_any(is_format), ["not an image of a known format"])]
    ):
        index = tf.argmax(is_format, output_type=tf.int32)
    branches = [functools.partial(_reader(format, limits), encoded) for format in FORMATS]
    return _finish(tf.switch_case(index, branches), limits)


@functools.cache
def decoder_of(format: Format, limits: Limits) -> Callable[[tf.Tensor], Decoded]:
    """Returns a traced function that decodes images of one format, as `decode_upright` does.

    Most datasets contain images of only one or two formats. Tracing and first running the graph of
    one format takes a third of the time that the graph of all formats takes.

    Args:
      format: the format, as `find_format` returns it.
      limits: see `decode_upright`.
    """
    read = _reader(format, limits)
    decode = tf.function(lambda encoded: _finish(read(encoded), limits), autograph=False)
    return decode.get_concrete_function(tf.TensorSpec([], tf.string))


class _Stored(NamedTuple):
    """The decoded content of an image file, before the orientation and the size limit are applied.

    Attributes:
      image: the stored pixels, uint8 [h, w, 3], or [h, w, 4] if `has_alpha`.
      exif, has_alpha, is_rgb_jpeg: see `Header`.
    """

    image: tf.Tensor
    exif: tf.Tensor
    has_alpha: tf.Tensor
    is_rgb_jpeg: tf.Tensor


def _finish(stored: _Stored, limits: Limits) -> Decoded:
    """Applies the background, the size limit and the orientation to a stored image.

    The exported model contains the ops of this function only once, and not once for each format.
    Each additional op would make the model larger, and would take time when TensorFlow builds the
    graph for a request.
    """
    image = stored.image
    if image.shape[-1] != 3:  # the format can have alpha, or the graph is for all formats
        image = tf.cond(stored.has_alpha, lambda: lay_on_white(stored.image), lambda: stored.image)
    image = tf.ensure_shape(image, [None, None, 3])
    is_large = tf.reduce_max(tf.shape(image)[:2]) > limits.max_side
    image = tf.cond(is_large, lambda: _shrink(image, limits.max_side), lambda: image)
    orientation = read_orientation(stored.exif)
    is_as_stored = stored.is_rgb_jpeg & tf.equal(orientation, UPRIGHT) & ~is_large
    return Decoded(turn_upright(image, orientation), is_as_stored)


def _starts_with(file: FileBytes, magic: bytes) -> tf.Tensor:
    start, expected = file.window(0, len(magic)), list(magic)
    return tf.reduce_all(tf.equal(start, expected) | tf.equal(expected, _ANY))


@functools.cache
def _reader(format: Format, limits: Limits) -> Callable[[tf.Tensor], _Stored]:
    """Returns a function that reads an encoded image of one format.

    The returned function is cached, so a process that both ingests images and exports a model
    traces the graph of each format only once.
    """
    read = tf.function(
        lambda encoded: _decode_as(format, FileBytes(encoded), limits), autograph=False
    )
    with tf.init_scope():  # the cached graph must not belong to the graph of the first caller
        return read.get_concrete_function(tf.TensorSpec([], tf.string))


def _decode_as(format: Format, file: FileBytes, limits: Limits) -> _Stored:
    header = format.read_header(file)
    header = Header(*map(tf.convert_to_tensor, header))
    # The decoder starts only after the whole header has been read, so that no other function call
    # runs at the same time as the decoder. If a function call in a graph fails, TensorFlow cancels
    # the calls that run at the same time, and may report their CancelledError. The transformation
    # `ignore_errors` of tf.data does not ignore a CancelledError.
    with tf.control_dependencies([*header, *_check_size(header, limits.max_pixels)]):
        image = format.decode(file, Header(*map(tf.identity, header)), limits)
    return _Stored(image, header.exif, header.has_alpha, header.is_rgb_jpeg)


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
    """Scales an image, uint8 [h, w, 3], to `max_side` pixels on its longer side, with Lanczos3 and
    antialiasing."""
    size = tf.cast(tf.shape(image)[:2], tf.float64)
    smaller = tf.round(size * max_side / tf.reduce_max(size))
    resized = tf.image.resize(
        image, tf.maximum(tf.cast(smaller, tf.int32), 1), method="lanczos3", antialias=True
    )
    return tf.saturate_cast(tf.round(resized), tf.uint8)
