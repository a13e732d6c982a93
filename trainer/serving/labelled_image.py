"""Images to classify. Imports no TensorFlow."""

import dataclasses
from pathlib import Path


@dataclasses.dataclass(frozen=True)
class LabelledImage:
    """An image to classify.

    Attributes:
      name: what messages call it.
      encoded: the bytes of its file (JPEG, PNG, GIF, BMP), or the path of that file.
      label: index of its class, where that is known.
    """

    name: str
    encoded: bytes | Path
    label: int | None = None
