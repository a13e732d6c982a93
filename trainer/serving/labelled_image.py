"""An image to classify. Imports no TensorFlow."""

import dataclasses
from pathlib import Path


@dataclasses.dataclass(frozen=True)
class LabelledImage:
    """An image to classify.

    Attributes:
      name: the name of the image in messages.
      encoded: the bytes of its file (JPEG, PNG, GIF, BMP), or the path of that file.
      label: the index of its class; None if it is unknown.
    """

    name: str
    encoded: bytes | Path
    label: int | None = None
