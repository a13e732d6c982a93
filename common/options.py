"""Declares options as dataclass fields, each with a help text and a check of its values.

All configuration dataclasses (the Trainer's hyperparameters, the pipeline's options) declare their
fields with `option`. The command-line parser, the YAML reader and the validation all work with the
fields of the configuration dataclasses.
"""

import dataclasses
import math
from collections.abc import Callable
from typing import Any


@dataclasses.dataclass(frozen=True)
class Check:
    """A condition that the value of an option must meet, and its description for error messages."""

    expected: str
    holds: Callable[[Any], bool]


AT_LEAST_ONE = Check("a whole number of at least 1", lambda value: value >= 1)
WHOLE = Check("a whole number of at least 0", lambda value: value >= 0)
SEED = Check("a whole number from 0 to 4294967295", lambda value: 0 <= value < 2**32)
NOT_NEGATIVE = Check("a number of at least 0", lambda value: 0 <= value < math.inf)
POSITIVE = Check("a number above 0", lambda value: 0 < value < math.inf)
SHARE = Check("a number from 0 to below 1", lambda value: 0 <= value < 1)
FRACTION = Check("a number from 0 to 1", lambda value: 0 <= value <= 1)
POSITIVE_FRACTION = Check("a number above 0 and at most 1", lambda value: 0 < value <= 1)
MAGNITUDE = Check("a number from 0 to 30", lambda value: 0 <= value <= 30)


def option(
    help: str,
    *,
    default: Any = dataclasses.MISSING,
    check: Check | None = None,
    is_path: bool = False,
    is_list: bool = False,
) -> Any:
    """Returns a dataclass field with a help text and, optionally, a check of its values.

    Args:
      help: a text of one line, which `--help` prints.
      default: the field's default; without a default, the user must give a value.
      check: the condition that a value must meet, unless the value is None.
      is_path: whether a value may be a path, in which `~` stands for the user's home directory.
      is_list: whether the value is a list; if the user gives a text, it is split at its commas.
    """
    metadata = {"help": help, "check": check, "is_path": is_path, "is_list": is_list}
    return dataclasses.field(default=default, metadata=metadata)
