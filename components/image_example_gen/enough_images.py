"""Checks that there are enough images for training and evaluation.

This module does not import TensorFlow, which takes seconds to import.
"""

from collections.abc import Mapping, Sequence

from common.errors import RefusedError
from common.text import list_first
from components.image_example_gen.sources.base import SPLITS


def check_splits(counts: Mapping[str, int], found: str) -> None:
    """Checks that every split has an image.

    Args:
      counts: the number of images in each split.
      found: a description of how many images were found, for the error message.

    Raises:
      RefusedError: a split is empty.
    """
    empty = [split for split in SPLITS if not counts[split]]
    if empty:
        raise RefusedError(
            f"no image for the split {', '.join(empty)}: {found}; expected enough images for "
            "train, validation and test (80/10/10)"
        )


def check_trained(untrained: Sequence[str]) -> None:
    """Checks that every class has a training image, without which a model cannot learn the class.

    Args:
      untrained: descriptions of the classes that have images, but no training image.

    Raises:
      RefusedError: there are classes without a training image.
    """
    if untrained:
        raise RefusedError(
            f"no training image for the class {list_first(untrained)}; expected about 10 or more "
            "images of each class: a tenth goes to validation and a tenth to test. Add "
            "images, or remove the class"
        )
