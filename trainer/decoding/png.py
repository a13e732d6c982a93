"""Decodes PNG files (W3C, Portable Network Graphics, third edition, sections 5 and 11)."""

import tensorflow as tf

from trainer.decoding.file_bytes import FileBytes, big_endian, equals
from trainer.decoding.header import Header

# The start of the text chunk in which ImageMagick writes EXIF as hexadecimal digits.
_PROFILE = b"Raw profile type exif\0"
_MENTIONS_EXIF = r"(?s)\C*(eXIf|Raw profile type exif)\C*"
_MOST_CHUNKS = 20000
_WITH_ALPHA = [4, 6]  # colour types with an alpha channel
_RGB = 2
_DEPTH = 24  # position of the bit depth in the file; the next byte is the colour type


def read_header(file: FileBytes) -> Header:
    """Reads the chunks before the pixels.

    If the file contains the bytes `eXIf` or `Raw profile type exif`, the function also reads the
    chunks after the pixels, because a PNG may contain EXIF after the pixels.
    """
    fields = file.window(16, 10)
    exif, profile, transparency = _walk(file)
    return Header(
        height=big_endian(fields[4:8]),
        width=big_endian(fields[0:4]),
        exif=tf.cond(
            profile < 0,
            lambda: file.string(exif, file.size),
            lambda: _decode_profile(file, profile),
        ),
        has_alpha=(transparency >= 0) | tf.reduce_any(tf.equal(fields[9], _WITH_ALPHA)),
    )


def _walk(file: FileBytes) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Returns the positions of the contents of three chunks, int32 []: eXIf, ImageMagick's text
    chunk with EXIF, and tRNS. The position is -1 if the chunk is missing."""
    mentions_exif = tf.strings.regex_full_match(file.encoded, _MENTIONS_EXIF)

    def step(
        position: tf.Tensor, exif: tf.Tensor, profile: tf.Tensor, transparency: tf.Tensor
    ) -> tuple[tf.Tensor, ...]:
        chunk = file.window(position, 8 + len(_PROFILE))
        name, content = chunk[4:8], position + 8
        is_last = equals(name, b"IEND") | (equals(name, b"IDAT") & ~mentions_exif)
        is_profile = equals(name, b"tEXt") & equals(chunk[8:], _PROFILE)
        following = tf.minimum(big_endian(chunk[:4]), file.size) + content + 4
        return (
            tf.where(is_last, file.size, following),
            tf.where(equals(name, b"eXIf"), content, exif),
            tf.where(is_profile, content, profile),
            tf.where(equals(name, b"tRNS"), content, transparency),
        )

    none = tf.constant(-1)
    _, exif, profile, transparency = tf.while_loop(
        lambda position, *_: position < file.size,
        step,
        (tf.constant(8), none, none, none),
        maximum_iterations=_MOST_CHUNKS,
        parallel_iterations=1,
    )
    return exif, profile, transparency


def _decode_profile(file: FileBytes, position: tf.Tensor) -> tf.Tensor:
    """Returns the EXIF block in ImageMagick's text chunk, string []; empty if the text is damaged.

    The text consists of "exif", the number of bytes, and lines of hexadecimal digits.
    """
    length = big_endian(file.window(position - 8, 4))
    text = file.string(position + len(_PROFILE), length - len(_PROFILE))
    digits = tf.strings.regex_replace(text, r"^\s*exif\s+[0-9]+|\s", "")
    is_whole = tf.strings.regex_full_match(digits, "([0-9A-Fa-f]{2})+")

    def decoded() -> tf.Tensor:
        codes = tf.cast(tf.io.decode_raw(tf.strings.upper(digits), tf.uint8), tf.int32)
        values = tf.reshape(codes - tf.where(codes > ord("9"), ord("A") - 10, ord("0")), [-1, 2])
        return tf.strings.reduce_join(tf.gather(_BYTES, 16 * values[:, 0] + values[:, 1]))

    return tf.cond(is_whole, decoded, lambda: "")


# A table of the 256 byte values, each as a string of one byte.
_BYTES = [bytes([value]) for value in range(256)]


def decode(file: FileBytes, header: Header, max_value: int = 0) -> tf.Tensor:
    """Returns the stored pixels, uint8 [h, w, 3], or [h, w, 4] if `header.has_alpha`.

    If the file has 16 bits per channel, colours are scaled to 8 bits, so that white becomes 255.
    The value of white in the file is `max_value`, unless `max_value` is 0. If `max_value` is 0, the
    chunk sBIT states n bits, and no colour in the file exceeds 2^n - 1, then white is 2^n - 1:
    microscopes and scanners write n-bit values as measured, although the PNG standard requires
    programs to scale the values to 16 bits. Otherwise, white is 65535, and the result contains the
    8 higher bits of each value.

    The function decodes an alpha channel only if the file has alpha values or the chunk tRNS. For
    any other file with 1, 2 or 4 bits per channel, libpng would set the alpha channel to 1, 3 or 15
    instead of 255.

    Args:
      file: the file.
      header: the header of the file.
      max_value: the value of white in files with 16 bits per channel; 0 for sBIT's value or 65535.
    """

    def decode_as(dtype: tf.DType) -> tf.Tensor:
        return tf.cond(
            header.has_alpha,
            lambda: tf.io.decode_png(file.encoded, 4, dtype),
            lambda: tf.io.decode_png(file.encoded, 3, dtype),
        )

    def decode_16_bit() -> tf.Tensor:
        image = tf.cast(decode_as(tf.uint16), tf.int32)
        colors, alpha = image[..., :3], image[..., 3:] // 256
        # `_find_white` waits for the decoder. Otherwise, a failure of the decoder could cancel
        # `_find_white`, and TensorFlow could report a CancelledError instead of the failure (see
        # `image_file._decode_as`).
        with tf.control_dependencies([image]):
            white = tf.constant(max_value) if max_value else _find_white(file, colors)
        scaled = (tf.minimum(colors, white) * 255 + white // 2) // white
        colors = tf.where(tf.equal(white, 65535), colors // 256, scaled)
        return tf.cast(tf.concat([colors, alpha], axis=-1), tf.uint8)

    is_16_bit = tf.equal(file.window(_DEPTH, 1)[0], 16)
    return tf.cond(is_16_bit, decode_16_bit, lambda: decode_as(tf.uint8))


def _find_white(file: FileBytes, colors: tf.Tensor) -> tf.Tensor:
    """Returns the value of white, int32 [].

    The chunk sBIT (section 11.3.2.7) has one byte for each channel; alpha is the last channel.
    """

    def step(position: tf.Tensor, found: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        chunk = file.window(position, 8)
        following = tf.minimum(big_endian(chunk[:4]), file.size) + position + 12
        is_last = equals(chunk[4:8], b"IDAT")
        is_found = equals(chunk[4:8], b"sBIT")
        return (
            tf.where(is_last | is_found, file.size, following),
            tf.where(is_found, position + 8, found),
        )

    _, significant = tf.while_loop(
        lambda position, _: position < file.size,
        step,
        (tf.constant(8), tf.constant(-1)),
        maximum_iterations=_MOST_CHUNKS,
        parallel_iterations=1,
    )
    bits = file.window(significant, 3)
    has_colors = tf.equal(file.window(_DEPTH + 1, 1)[0] % 4, _RGB)
    bits = tf.where(has_colors, tf.reduce_max(bits), bits[0])
    white = tf.bitwise.left_shift(1, tf.clip_by_value(bits, 1, 16)) - 1
    is_stated = (significant >= 0) & (bits > 0) & (tf.reduce_max(colors) <= white)
    return tf.where(is_stated, white, 65535)
