"""Limits of images, and the values of their white. Imports no TensorFlow."""

import dataclasses


@dataclasses.dataclass(frozen=True, kw_only=True)
class Limits:
    """The limits that ImageExampleGen and the exported model have in common.

    Attributes:
      max_side: an image with a longer side of more pixels is scaled down to it.
      max_pixels: an image with more pixels, as stored, is refused by its header.
      max_value: the value that is white in images of more than 8 bits a channel; 0 if the files
        state it: 65535 in 16 bits, unless the file says otherwise.
    """

    max_side: int = 1024
    max_pixels: int = 100_000_000
    max_value: int = 0

    @property
    def max_bytes(self) -> int:
        """The size of a file that is larger than any image of `max_pixels`, in bytes.

        Three channels of 16 bits without compression, and 1 MiB for metadata.
        """
        return 6 * self.max_pixels + 2**20
