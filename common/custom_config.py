"""TFX's `custom_config`: the settings of a node, as a frozen dataclass and as JSON.

The pipeline writes the JSON into an execution property; the node, perhaps in a container of a
compiled pipeline, reads it back as the same dataclass. This module imports neither TensorFlow nor
TFX.
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

# A decorator for the dataclass of a node's settings. For a decorated dataclass,
# `from_custom_config` refuses unknown keys and values of a wrong type, also in nested dataclasses.
node_settings: Callable[[type[_Settings]], type[_Settings]] = pydantic.with_config(
    pydantic.ConfigDict(extra="forbid", strict=True)
)

# Messages that replace those of pydantic, which calls a key an argument.
_MESSAGES = {"unexpected_keyword_argument": "unknown key", "missing": "key is missing"}


def to_custom_config(settings: "DataclassInstance") -> str:
    """Returns `settings` as JSON; equal settings give equal text, which a cache key needs."""
    return json.dumps(dataclasses.asdict(settings), sort_keys=True)


def from_custom_config(
    settings_class: type[_Settings], custom_config: str | Mapping[str, Any]
) -> _Settings:
    """Reads the JSON that `to_custom_config` wrote.

    Args:
      settings_class: the dataclass, decorated with `node_settings`.
      custom_config: the JSON, as executors get it, or the mapping that TFX decodes from it for
        user functions.

    Raises:
      InputError: a key is unknown or missing, or a value is of another type. In this case, the
        pipeline and the code of the node are of different versions.
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
            "version; compile the pipeline again, with the version that its containers run"
        ) from error
