"""The limits for a downloaded SavedModel.

This module does not import TensorFlow, which takes seconds to import.
"""

import dataclasses
import math
import os

from common.errors import InputError

_DEFAULT_MAX_GB = 20


@dataclasses.dataclass(frozen=True, kw_only=True)
class Admission:
    """The limits for a downloaded SavedModel.

    Attributes:
      max_bytes: the largest size of the unpacked SavedModel.
      trusted: whether the graph of the SavedModel may contain operations that access files, the
        network or Python.
    """

    max_bytes: int
    trusted: bool = False


def max_model_bytes() -> int:
    """Returns the size limit of an unpacked archive in bytes: $VIT_MAX_MODEL_GB, or 20 GB if unset.

    Raises:
      InputError: the value of the variable is not a number above 0.
    """
    text = os.environ.get("VIT_MAX_MODEL_GB") or str(_DEFAULT_MAX_GB)
    try:
        size = float(text)
        if not 0 < size < math.inf:
            raise ValueError
    except ValueError as error:
        raise InputError(
            f"VIT_MAX_MODEL_GB={text}: expected a number above 0, such as {_DEFAULT_MAX_GB}"
        ) from error
    return int(size * 1e9)
