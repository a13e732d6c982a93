"""Reads numbers from the bytes of a file in graph ops."""

import tensorflow as tf

# Zeros behind the end, so that a window that begins within the file is always whole.
_PADDING = 64


class FileBytes:
    """The bytes of a file; those before its beginning and behind its end are zero.

    Attributes:
      encoded: the file, string [].
      size: number of bytes, int32 [].
    """

    def __init__(self, encoded: tf.Tensor) -> None:
        self.encoded = encoded
        self.size = tf.strings.length(encoded)
        self._data = tf.io.decode_raw(tf.strings.join([encoded, b"\0" * _PADDING]), tf.uint8)

    def window(self, position: tf.Tensor | int, count: int) -> tf.Tensor:
        """Some bytes, int32 [count].

        Args:
          position: of the first one, int32 []; a position outside the file reads zeros.
          count: how many, at most 64.
        """
        start = tf.where(position < 0, self.size, tf.minimum(position, self.size))
        window = tf.ensure_shape(self._data[start : start + count], [count])
        return tf.cast(window, tf.int32)

    def slice(self, position: tf.Tensor | int, count: tf.Tensor | int) -> tf.Tensor:
        """Returns `count` bytes from `position` on, or fewer at the end of the file, uint8 [n]."""
        start = tf.where(position < 0, self.size, tf.minimum(position, self.size))
        return self._data[start : start + tf.clip_by_value(count, 0, self.size - start)]

    def string(self, position: tf.Tensor | int, count: tf.Tensor | int) -> tf.Tensor:
        """The same bytes as `slice`, string []."""
        start = tf.clip_by_value(position, 0, self.size)
        return tf.strings.substr(self.encoded, start, tf.clip_by_value(count, 0, self.size - start))


def big_endian(digits: tf.Tensor) -> tf.Tensor:
    """Bytes, int32 [n], most significant first, n at most 4 -> int32 []; never negative.

    A number of 2^31 or more becomes 2^31 - 1, which is beyond the end of every file.
    """
    digits = tf.unstack(digits)
    number = digits[-1]
    for place, digit in enumerate(reversed(digits[:-1]), start=1):
        number += (tf.minimum(digit, 127) if place == 3 else digit) * 256**place
    return tf.where(digits[0] > 127, tf.int32.max, number) if len(digits) == 4 else number


def little_endian(digits: tf.Tensor) -> tf.Tensor:
    """Bytes, int32 [n], least significant first: as `big_endian`."""
    return big_endian(tf.reverse(digits, [0]))


def equals(window: tf.Tensor, text: bytes) -> tf.Tensor:
    """Whether a window of as many bytes is `text`, bool []."""
    return tf.reduce_all(tf.equal(window, tf.constant(list(text), tf.int32)))
