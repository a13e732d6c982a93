"""Decodes the first frame of GIF files (GIF89a specification, sections 17 to 23).

This module replaces the transparent colour with opaque white, passes only the first frame to
TensorFlow's decoder, and places the decoded frame on a white canvas. If TensorFlow's decoder got
the whole file, it would decode all frames, make transparent pixels black, and use the size of the
largest frame as the size of the canvas.
"""

import tensorflow as tf

from trainer.decoding.file_bytes import FileBytes, equals, little_endian
from trainer.decoding.header import Header

_EXTENSION, _CONTROL, _IMAGE = 0x21, 0xF9, 0x2C
_MOST_BLOCKS = 10000
_WHITE = b"\xff\xff\xff"


def read_header(file: FileBytes) -> Header:
    """Reads the header; its size is that of the canvas, enlarged to contain the first frame."""
    width, height = (little_endian(file.window(position, 2)) for position in (6, 8))
    frame = file.window(_walk_to_frame(file)[0], 9)
    left, top, frame_width, frame_height = (little_endian(frame[i : i + 2]) for i in (1, 3, 5, 7))
    return Header(
        height=tf.maximum(height, top + frame_height),
        width=tf.maximum(width, left + frame_width),
        exif=b"",
        has_alpha=False,
    )


def decode(file: FileBytes, header: Header) -> tf.Tensor:
    """Returns the pixels of the first frame on a white canvas, uint8 [h, w, 3]."""
    frame, control = _walk_to_frame(file)
    fields = file.window(frame, 10)
    left, top, width, height = (little_endian(fields[i : i + 2]) for i in (1, 3, 5, 7))
    own_palette, own_colors = frame + 10, _palette_size(fields[9])
    pixels_end = _skip_blocks(file, own_palette + 3 * own_colors + 1)
    with tf.control_dependencies(
        [tf.debugging.Assert(pixels_end <= file.size, ["the first frame is cut off"])]
    ):
        first_frame = file.string(0, pixels_end)
    opaque = tf.cond(
        control < 0,
        lambda: first_frame,
        lambda: _with_white(
            file,
            pixels_end,
            control,
            tf.where(own_colors > 0, own_palette, 13),
            tf.where(own_colors > 0, own_colors, _palette_size(file.window(10, 1)[0])),
        ),
    )
    # TensorFlow's decoder makes the canvas only as large as the frame, so this function moves the
    # frame to the upper left corner of the canvas.
    in_corner = tf.strings.join(
        [
            tf.strings.substr(opaque, 0, frame + 1),
            bytes(4),
            tf.strings.substr(opaque, frame + 5, pixels_end - frame - 5),
            b";",
        ]
    )
    image = tf.io.decode_gif(in_corner)[0]
    below = tf.maximum(header.height - top - height, 0)
    beside = tf.maximum(header.width - left - width, 0)
    return tf.pad(image, [[top, below], [left, beside], [0, 0]], constant_values=255)


def _palette_size(flags: tf.Tensor) -> tf.Tensor:
    """Returns the number of colours of a palette, int32 []; 0 if there is no palette."""
    return tf.where(flags >= 128, tf.bitwise.left_shift(2, flags % 8), 0)


def _walk_to_frame(file: FileBytes) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns the positions of the first image descriptor and of its graphic control extension.

    Each position is int32 []; -1 stands for a missing block.
    """

    def step(
        position: tf.Tensor, frame: tf.Tensor, control: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        block = file.window(position, 2)
        is_extension = tf.equal(block[0], _EXTENSION)
        is_control = is_extension & tf.equal(block[1], _CONTROL)
        return (
            tf.cond(is_extension, lambda: _skip_blocks(file, position + 2), lambda: file.size),
            tf.where(tf.equal(block[0], _IMAGE), position, frame),
            tf.where(is_control, position, control),
        )

    start = 13 + 3 * _palette_size(file.window(10, 1)[0])
    _, frame, control = tf.while_loop(
        lambda position, *_: position < file.size,
        step,
        (start, tf.constant(-1), tf.constant(-1)),
        maximum_iterations=_MOST_BLOCKS,
        parallel_iterations=1,
    )
    return frame, control


def _skip_blocks(file: FileBytes, position: tf.Tensor) -> tf.Tensor:
    """Returns the position after a sequence of data sub-blocks, or a position beyond the file if
    the sequence has no end.

    A sub-block consists of its length, 1 to 255, and that number of bytes. A length of 0 ends the
    sequence. Most sub-blocks have 255 bytes, so the loop skips a run of such sub-blocks, and the
    sub-block after the run, in one iteration.
    """
    end_of_file = tf.constant([0], tf.uint8)

    def step(position: tf.Tensor, _: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        lengths = tf.concat([file.slice(position, file.size)[::256], end_of_file], axis=0)
        position += 256 * tf.argmax(tf.not_equal(lengths, 255), output_type=tf.int32)
        length = file.window(position, 1)[0]
        is_inside = position < file.size
        return (
            position + tf.where(is_inside, 1 + length, 1),
            is_inside & (length > 0),
        )

    end, is_open = tf.while_loop(
        lambda _, is_open: is_open,
        step,
        (position, tf.constant(True)),
        maximum_iterations=_MOST_BLOCKS,
        parallel_iterations=1,
    )
    return tf.where(is_open, file.size + 1, end)


def _with_white(
    file: FileBytes, end: tf.Tensor, control: tf.Tensor, palette: tf.Tensor, colors: tf.Tensor
) -> tf.Tensor:
    """Returns the bytes of the file up to `end`; if a colour is transparent, opaque white replaces
    it."""
    fields = file.window(control, 7)
    flags, index = fields[3], fields[6]
    color = palette + 3 * index

    def patched() -> tf.Tensor:
        flag, cleared = control + 3, tf.gather(_BYTES, flags - 1)
        is_flag_first = flag < color
        first, second = tf.minimum(flag, color), tf.maximum(flag, color)
        first_patch = tf.where(is_flag_first, cleared, _WHITE)
        second_patch = tf.where(is_flag_first, _WHITE, cleared)
        behind_first = first + tf.strings.length(first_patch)
        behind_second = second + tf.strings.length(second_patch)
        return tf.strings.join(
            [
                file.string(0, first),
                first_patch,
                file.string(behind_first, second - behind_first),
                second_patch,
                file.string(behind_second, end - behind_second),
            ]
        )

    is_transparent = tf.equal(flags % 2, 1) & (index < colors) & equals(fields[2:3], b"\x04")
    return tf.cond(is_transparent, patched, lambda: file.string(0, end))


_BYTES = [bytes([value]) for value in range(256)]
