"""What TensorBoard calls a training. Imports no TensorFlow."""

import dataclasses
import re
from collections.abc import Mapping

_LONGEST = 150  # letters of a folder's name; file systems take 255

Value = bool | int | float | str | None


@dataclasses.dataclass(frozen=True, kw_only=True)
class RunLabel:
    """The name of a run, and how its training differs from others of its recipe.

    Attributes:
      name: the pipeline's name.
      options: by key, such as `train.epochs`, the options whose values are not the recipe's.
    """

    name: str = ""
    options: Mapping[str, Value] = dataclasses.field(default_factory=dict)

    def with_options(self, options: Mapping[str, Value], suffix: str = "") -> "RunLabel":
        """Returns a copy with more options, or other values of some.

        Args:
          options: by key.
          suffix: is appended to the name.
        """
        name = f"{self.name}{suffix}"
        return RunLabel(name=name, options={**self.options, **options})

    @property
    def folder(self) -> str:
        """A folder's name, such as `flowers,epochs=3`: TensorBoard calls runs after folders."""
        options = [f"{key.rpartition('.')[2]}={_short(v)}" for key, v in self.options.items()]
        return re.sub(r"[^\w.,=+-]", "_", ",".join([self.name, *options]))[:_LONGEST]


def _short(value: Value) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
