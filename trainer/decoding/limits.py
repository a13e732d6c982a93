"""What is done about large images. Imports no TensorFlow."""

import dataclasses


@dataclasses.dataclass(frozen=True, kw_only=True)
class Limits:
    """The limits that ImageExampleGen and the exported model have in common.

    Attributes:
      max_side: an image with a longer side of more pixels is scaled down to it.
      max_pixels: an image with more pixels, as stored, is refused by its header.
    """

    max_side: int = 1024
    max_pixels: int = 100_000_000
