"""Graph ops that read numbers from the bytes of a file."""

import tensorflow as tf

# `FileBytes` appends this number of zero bytes to the file, so that `FileBytes.window` can return
# the requested number of bytes even at the end of the file.
_PADDING = 64


class FileBytes:
    """The bytes of a file. Bytes at positions outside the file are zero.

    Attributes:
      encoded: the content of the file, string [].
      size: the number of bytes, int32 [].
    """

    def __init__(self, encoded: tf.Tensor) -> None:
        self.encoded = encoded
        self.size = tf.strings.length(encoded)
        self._data = tf.io.decode_raw(tf.strings.join([encoded, b"\0" * _PADDING]), tf.uint8)

    def window(self, position: tf.Tensor | int, count: int) -> tf.Tensor:
        """Returns `count` bytes, int32 [count].

        Args:
          position: the position of the first byte, int32 []; it may be outside the file.
          count: the number of bytes, at most 64.
        """
        start = self._clip_position(position)
        window = tf.ensure_shape(self._data[start : start + count], [count])
        return tf.cast(window, tf.int32)

    def slice(self, position: tf.Tensor | int, count: tf.Tensor | int) -> tf.Tensor:
        """Returns `count` bytes from `position` on, or fewer at the end of the file, uint8 [n]."""
        start = self._clip_position(position)
        return self._data[start : start + tf.clip_by_value(count, 0, self.size - start)]

    def string(self, position: tf.Tensor | int, count: tf.Tensor | int) -> tf.Tensor:
        """Returns the same bytes as `slice`, but as string []."""
        start = self._clip_position(position)
        return tf.strings.substr(self.encoded, start, tf.clip_by_value(count, 0, self.size - start))

    def _clip_position(self, position: tf.Tensor | int) -> tf.Tensor:
        """Returns the position, or the end of the file for positions outside the file."""
        return tf.where(position < 0, self.size, tf.minimum(position, self.size))


def big_endian(digits: tf.Tensor) -> tf.Tensor:
    """Converts up to 4 bytes to a number. The first byte is the most significant.

    Args:
      digits: the bytes, int32 [n] with values from 0 to 255.

    Returns:
      int32 [], never negative. A number of 2^31 or more becomes 2^31 - 1, a position beyond the end
      of every file.
    """
    digits = tf.unstack(digits)
    number = digits[-1]
    for place, digit in enumerate(reversed(digits[:-1]), start=1):
        number += (tf.minimum(digit, 127) if place == 3 else digit) * 256**place
    return tf.where(digits[0] > 127, tf.int32.max, number) if len(digits) == 4 else number


def little_endian(digits: tf.Tensor) -> tf.Tensor:
    """Converts up to 4 bytes to a number. The last byte is the most significant.

    As in `big_endian`, the input is int32 [n], the result is int32 [], and a number of 2^31 or more
    becomes 2^31 - 1.
    """
    return big_endian(tf.reverse(digits, [0]))


def equals(window: tf.Tensor, text: bytes) -> tf.Tensor:
    """Whether `window`, which has as many bytes as `text`, equals `text`, bool []."""
    return tf.reduce_all(tf.equal(window, tf.constant(list(text), tf.int32)))
