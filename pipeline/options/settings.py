"""Converts and checks the values that the user gave for options.

This module does not import TensorFlow, which takes seconds to import.
"""

import dataclasses
import os
import types
import typing
from typing import Any, Literal, NamedTuple

from common.errors import InputError
from common.options import Check


@dataclasses.dataclass(frozen=True)
class Setting:
    """A value that the user gave for an option.

    Attributes:
      value: the value as given, before its conversion to the type of the option.
      origin: the flag, or the file and key, that set the value, for error messages.
    """

    value: Any
    origin: str


class Option(NamedTuple):
    """An option.

    Attributes:
      field: the dataclass field that declares the option.
      type: the type hint of the field.
    """

    field: dataclasses.Field
    type: Any

    @property
    def help(self) -> str:
        """The help text."""
        return self.field.metadata["help"]

    @property
    def is_switch(self) -> bool:
        """Whether the option is boolean. The flag of a boolean option takes no value."""
        return self.type is bool or bool in typing.get_args(self.type)

    @property
    def choices(self) -> tuple[str, ...]:
        """The allowed values of an option with a Literal type; empty for any other type."""
        return typing.get_args(self.type) if typing.get_origin(self.type) is Literal else ()

    @property
    def help_with_default(self) -> str:
        """The help text, followed by the default value if the option has one."""
        default = self.field.default
        if default in (dataclasses.MISSING, None, ()) or isinstance(default, bool):
            return self.help
        return self.help if "default" in self.help else f"{self.help} (default: {default})"


def check_setting(setting: Setting, declared: Option) -> Any:
    """Checks the value of `setting`, and returns it, converted to the type of its option.

    This function expands `~` in paths, because no shell expands `~` in YAML files or in
    `--flag=~/x`.

    Raises:
      InputError: the value has another type, or is outside the option's range.
    """
    check: Check | None = declared.field.metadata["check"]
    given = setting.value
    if declared.field.metadata["is_list"] and isinstance(given, str):
        given = [item.strip() for item in given.split(",")]
    try:
        value = _convert(given, declared.type)
        if declared.field.metadata["is_path"] and value is not None:
            value = os.path.expanduser(value)
        if value is None or check is None or check.holds(value):
            return value
    except ValueError:
        # The code below raises the same InputError for a value of a wrong type as for a value
        # outside the range.
        pass
    expected = check.expected if check else _describe(declared.type)
    raise InputError(f"{setting.origin} {setting.value}: expected {expected}")


def _convert(value: Any, hint: Any) -> Any:
    """Converts a value to the type of its option.

    Args:
      value: text from the command line, or a value from YAML.
      hint: the type hint of the option, such as `int` or `float | None`.

    Raises:
      ValueError: the value cannot be converted to this type.
    """
    if isinstance(hint, types.UnionType):  # an optional type, such as `float | None`
        if value is None or value in ("null", "none"):
            return None
        return _convert(value, typing.get_args(hint)[0])
    if typing.get_origin(hint) is Literal:
        if value not in typing.get_args(hint):
            raise ValueError(value)
        return value
    if typing.get_origin(hint) is tuple:
        return tuple(map(str, value if isinstance(value, list | tuple) else [value]))
    if hint is bool:
        if str(value).lower() not in ("true", "false"):
            raise ValueError(value)
        return str(value).lower() == "true"
    if isinstance(value, bool | list | tuple | None) or (hint is int and isinstance(value, float)):
        raise ValueError(value)
    if hint is str and not value:
        raise ValueError(value)
    return hint(value)


def _describe(hint: Any) -> str:
    if isinstance(hint, types.UnionType):
        return _describe(typing.get_args(hint)[0])
    if typing.get_origin(hint) is Literal:
        return " or ".join(typing.get_args(hint))
    return {int: "a whole number", float: "a number", bool: "true or false"}.get(hint, "a text")
