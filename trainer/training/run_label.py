"""The name of a training in TensorBoard.

This module does not import TensorFlow, which takes seconds to import.
"""

import dataclasses
import re
from collections.abc import Mapping

_LONGEST = 150  # the largest length of a folder name, in characters; file systems allow 255 bytes

Value = bool | int | float | str | None


@dataclasses.dataclass(frozen=True, kw_only=True)
class RunLabel:
    """The name of a run, and the options whose values differ from the recipe (`pipeline.recipes`).

    Attributes:
      name: the pipeline's name.
      options: the options whose values differ from those in the recipe, as a dictionary from the
        key of an option, such as `train.epochs`, to its value.
    """

    name: str = ""
    options: Mapping[str, Value] = dataclasses.field(default_factory=dict)

    def with_options(self, options: Mapping[str, Value], suffix: str = "") -> "RunLabel":
        """Returns a copy with additional or changed options.

        Args:
          options: the values of the additional or changed options, by key.
          suffix: a text to append to the name.
        """
        name = f"{self.name}{suffix}"
        return RunLabel(name=name, options={**self.options, **options})

    @property
    def folder(self) -> str:
        """The name of the run's folder, which TensorBoard shows: for example `flowers,epochs=3`."""
        options = [f"{key.rpartition('.')[2]}={_short(v)}" for key, v in self.options.items()]
        return re.sub(r"[^\w.,=+-]", "_", ",".join([self.name, *options]))[:_LONGEST]


def _short(value: Value) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
