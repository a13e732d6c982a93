"""The limits for the sizes of images, and the pixel value of white.

This module does not import TensorFlow, which takes seconds to import.
"""

import dataclasses


@dataclasses.dataclass(frozen=True, kw_only=True)
class Limits:
    """The limits that ImageExampleGen and the exported model have in common.

    Attributes:
      max_side: the maximum length of the longer side of a decoded image, in pixels. A larger image
        is scaled down.
      max_pixels: the maximum number of pixels in a stored image. If the header states more pixels,
        the image is refused.
      max_value: the value of white in images of more than 8 bits per channel, such as 4095 for a
        12-bit camera. If `max_value` is 0, white is the value that the file states, or 65535 in a
        16-bit file that states no value.
    """

    max_side: int = 1024
    max_pixels: int = 100_000_000
    max_value: int = 0

    @property
    def max_bytes(self) -> int:
        """An upper bound for the file size of an image of `max_pixels`, in bytes.

        The bound allows for three uncompressed channels of 16 bits, and for 1 MiB of metadata.
        """
        return 6 * self.max_pixels + 2**20
