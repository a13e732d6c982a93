"""Converts the settings of a TFX node, a frozen dataclass, to JSON and back.

The pipeline writes the settings as JSON into the node's execution property `custom_config`. The
node's executor, which may run in a container, converts the JSON back to the dataclass.

This module loads quickly, because it imports neither TensorFlow nor TFX.
"""

import dataclasses
import json
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

import pydantic

from common.errors import InputError

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

_Settings = TypeVar("_Settings", bound="DataclassInstance")

# A decorator for the dataclass of a node's settings. `from_custom_config` raises an error if the
# JSON of a decorated dataclass has an unknown key or a value of the wrong type.
# `from_custom_config` also checks the keys and values of dataclasses that are nested in a decorated
# dataclass.
node_settings: Callable[[type[_Settings]], type[_Settings]] = pydantic.with_config(
    pydantic.ConfigDict(extra="forbid", strict=True)
)

# Maps the type of a pydantic error to a message for the user, because pydantic's own message calls
# a JSON key an argument or a field.
_MESSAGES = {"unexpected_keyword_argument": "unknown key", "missing": "key is missing"}


def to_custom_config(settings: "DataclassInstance") -> str:
    """Returns `settings` as JSON.

    The keys are sorted, so that equal settings have the same JSON text: TFX's cache key contains
    this text.
    """
    return json.dumps(dataclasses.asdict(settings), sort_keys=True)


def from_custom_config(
    settings_class: type[_Settings], custom_config: str | Mapping[str, Any]
) -> _Settings:
    """Reads the JSON that `to_custom_config` wrote.

    Args:
      settings_class: the dataclass, decorated with `node_settings`.
      custom_config: the JSON as a string, as TFX passes it to executors, or decoded to a mapping,
        as TFX passes it to user functions such as `preprocessing_fn`.

    Raises:
      InputError: a key is unknown or missing, or a value has the wrong type. The usual cause is
        that the pipeline was compiled with a different version of the code.
    """
    text = custom_config if isinstance(custom_config, str) else json.dumps(custom_config)
    try:
        return pydantic.TypeAdapter(settings_class).validate_json(text)
    except pydantic.ValidationError as error:
        problems = "; ".join(
            f"{'.'.join(map(str, found['loc']))}: {_MESSAGES.get(found['type'], found['msg'])}"
            for found in error.errors(include_url=False)
        )
        raise InputError(
            f"custom_config: found {problems}; expected the {settings_class.__name__} of this "
            "version of the code; compile the pipeline again with the version in its containers"
        ) from error
