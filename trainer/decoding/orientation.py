"""Reads EXIF orientations from files, and applies them to pixels.

The orientation, 1 (upright) to 8, is the value of tag 0x0112 in the first directory (IFD) of a TIFF
structure: Exif 2.32 (CIPA DC-008), section 4.6.4. TIFF 6.0, section 2, describes the TIFF header.
"""

import tensorflow as tf

from trainer.decoding.file_bytes import FileBytes, big_endian, equals, little_endian

UPRIGHT = 1
_TAG = 0x0112
_ENTRY = 12  # number of bytes of a directory entry, which has a tag, a type, a count and a value
_MOST_ENTRIES = 1000
_SHORT, _LONG = 3, 4


def read_orientation(exif: tf.Tensor) -> tf.Tensor:
    """Reads the orientation in an EXIF block.

    Args:
      exif: the block, string []. The block is empty, or begins with the TIFF header, or with
        `Exif`, two zeros and the TIFF header.

    Returns:
      The orientation, int32 [] from 1 to 8; 1 if the block is empty or damaged, or contains no
      valid orientation.
    """
    is_empty = tf.equal(tf.strings.length(exif), 0)
    return tf.cond(is_empty, lambda: UPRIGHT, lambda: _read_block(FileBytes(exif)))


def _read_block(file: FileBytes) -> tf.Tensor:
    position = tf.where(equals(file.window(0, 6), b"Exif\0\0"), 6, 0)
    header = file.window(position, 8)
    is_little = equals(header[:4], b"II*\0")
    is_tiff = is_little | equals(header[:4], b"MM\0*")

    def number(digits: tf.Tensor) -> tf.Tensor:
        return tf.where(is_little, little_endian(digits), big_endian(digits))

    directory = tf.minimum(number(header[4:]), file.size) + position
    count = tf.minimum(number(file.window(directory, 2)), _MOST_ENTRIES)
    table = file.slice(directory + 2, count * _ENTRY)
    table = tf.cast(table[: tf.size(table) // _ENTRY * _ENTRY], tf.int32)
    entries = tf.reshape(table, [-1, _ENTRY])
    first, second = entries[:, 0], entries[:, 1]
    tags = tf.where(is_little, first + 256 * second, 256 * first + second)
    found = tf.where(tf.equal(tags, _TAG))[:, 0]

    def value() -> tf.Tensor:
        entry = entries[found[0]]
        kind = number(entry[2:4])
        orientation = tf.where(
            tf.equal(kind, _SHORT),
            number(entry[8:10]),
            tf.where(tf.equal(kind, _LONG), number(entry[8:12]), UPRIGHT),
        )
        return tf.where((orientation >= 1) & (orientation <= 8), orientation, UPRIGHT)

    return tf.cond(is_tiff & (tf.size(found) > 0), value, lambda: UPRIGHT)


def turn_upright(image: tf.Tensor, orientation: tf.Tensor) -> tf.Tensor:
    """Applies an orientation from 1 to 8, int32 [], to uint8 [h, w, c]."""

    def turned() -> tf.Tensor:
        is_transposed = orientation >= 5
        is_mirrored = tf.reduce_any(tf.equal(orientation, [2, 3, 6, 7]))
        is_upside_down = tf.reduce_any(tf.equal(orientation, [3, 4, 7, 8]))
        result = tf.cond(is_transposed, lambda: tf.transpose(image, [1, 0, 2]), lambda: image)
        result = tf.cond(is_mirrored, lambda: tf.reverse(result, [1]), lambda: result)
        return tf.cond(is_upside_down, lambda: tf.reverse(result, [0]), lambda: result)

    return tf.cond(tf.equal(orientation, UPRIGHT), lambda: image, turned)
