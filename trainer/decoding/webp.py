"""Decodes WebP files that are not animations.

Sources: developers.google.com/speed/webp/docs/riff_container, RFC 6386 and RFC 9649.
"""

import tensorflow as tf

from trainer.decoding.file_bytes import FileBytes, equals, little_endian
from trainer.decoding.header import Header
from trainer.decoding.quick_options import quick_options

_HAS_ANIMATION, _HAS_EXIF, _HAS_ALPHA = 0x02, 0x08, 0x10
_MOST_CHUNKS = 1000


def read_header(file: FileBytes) -> Header:
    """Reads the first chunk: lossy (VP8), lossless (VP8L) or extended (VP8X).

    The graph raises an error for an animation, because TensorFlow's decoder corrupts memory when it
    decodes some animations.
    """
    chunk = file.window(12, 18)
    is_extended, is_lossless = equals(chunk[:4], b"VP8X"), equals(chunk[:4], b"VP8L")
    is_lossy = equals(chunk[:4], b"VP8 ") & equals(chunk[11:14], b"\x9d\x01\x2a")
    flags = tf.where(is_extended, chunk[8], 0)
    with tf.control_dependencies(
        [
            tf.debugging.Assert(
                tf.equal(tf.bitwise.bitwise_and(flags, _HAS_ANIMATION), 0), ["an animated WebP"]
            )
        ]
    ):
        # The width and the height have 14 bits each. In a lossless image, the bits of the height
        # follow directly after those of the width.
        bits = little_endian(chunk[9:12]) + 2**24 * (chunk[12] % 32)
        width, height = (
            tf.where(
                is_extended,
                1 + little_endian(extended),
                tf.where(is_lossless, 1 + lossless, tf.where(is_lossy, lossy % 2**14, 0)),
            )
            for extended, lossless, lossy in (
                (chunk[12:15], bits % 2**14, little_endian(chunk[14:16])),
                (chunk[15:18], bits // 2**14 % 2**14, little_endian(chunk[16:18])),
            )
        )
    has_alpha = is_lossless & tf.not_equal(tf.bitwise.bitwise_and(chunk[12], 0x10), 0)
    has_alpha |= tf.not_equal(tf.bitwise.bitwise_and(flags, _HAS_ALPHA), 0)
    has_exif = tf.not_equal(tf.bitwise.bitwise_and(flags, _HAS_EXIF), 0)
    exif = tf.cond(has_exif, lambda: _find_exif(file), lambda: -1)
    return Header(
        height=height,
        width=width,
        exif=file.string(exif, file.size),
        has_alpha=has_alpha,
    )


def _find_exif(file: FileBytes) -> tf.Tensor:
    """Returns the position of the content of the chunk `EXIF`, int32 []; -1 if there is none."""

    def step(position: tf.Tensor, exif: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        chunk = file.window(position, 8)
        length = tf.minimum(little_endian(chunk[4:8]), file.size)
        found = tf.where(equals(chunk[:4], b"EXIF"), position + 8, exif)
        return position + 8 + length + length % 2, found

    _, exif = tf.while_loop(
        lambda position, exif: (position < file.size) & (exif < 0),
        step,
        (tf.constant(12), tf.constant(-1)),
        maximum_iterations=_MOST_CHUNKS,
        parallel_iterations=1,
    )
    return exif


def decode(file: FileBytes, header: Header) -> tf.Tensor:
    """Returns the stored pixels, uint8 [h, w, 3], or [h, w, 4] if `header.has_alpha`."""
    return tf.cond(
        header.has_alpha, lambda: _decode(file.encoded, 4), lambda: _decode(file.encoded, 3)
    )


def _decode(encoded: tf.Tensor, channels: int) -> tf.Tensor:
    # TensorFlow before version 2.20 has no op for WebP. A server with TensorFlow 2.19 must still be
    # able to load the exported model, and must report that a WebP is not valid. If a function for
    # `Dataset.map` contains an op, TensorFlow looks up the op only when it creates the dataset, and
    # not when it loads the model. `decode_frames` is not inlined, so TensorFlow creates the dataset
    # only when it calls `decode_frames` to decode a WebP.
    def decode_frames(encoded: tf.Tensor) -> tf.Tensor:
        return (
            tf.data.Dataset.from_tensors(encoded)
            .map(lambda file: tf.io.decode_webp(file, channels=channels))
            .with_options(quick_options())
            .get_single_element()
        )

    call = tf.function(decode_frames, autograph=False, experimental_attributes={"_noinline": True})
    frames = call(encoded)
    return tf.ensure_shape(frames, [None, None, None, channels])[0]
