"""Reads settings from a YAML file, and from `--set`."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from common.errors import InputError
from pipeline.options.config import OPTIONS
from pipeline.options.settings import Setting
from pipeline.options.unique_keys import load_yaml

_GROUPS = {key.rsplit(".", 1)[0] for key in OPTIONS if "." in key}


def read_yaml(path: str) -> dict[str, Setting]:
    """Reads the settings in a YAML file, and returns them in a dictionary by dotted key.

    Raises:
      InputError: the file cannot be read, is not YAML, is not a mapping, or contains a key twice.
    """
    try:
        content = load_yaml(Path(path).expanduser().read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"--config {path}: {error.strerror}; expected a YAML file") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        reason = " ".join(str(error).split())
        raise InputError(f"--config {path}: not YAML ({reason})") from error
    if not isinstance(content, dict):
        raise InputError(f"--config {path}: expected a mapping such as 'train: {{epochs: 8}}'")
    settings: dict[str, Setting] = {}
    for key, value in _flatten(content):
        if key in settings:
            raise InputError(f"--config {path}: {key} is given twice; expected it once")
        settings[key] = Setting(value, f"{path}: {key}")
    return settings


def _flatten(tree: Mapping[Any, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in tree.items():
        name = f"{prefix}{key}"
        # This loop ignores a YAML group without values, such as an empty `train:`, for which PyYAML
        # returns None.
        if name in _GROUPS and value is None:
            continue
        if isinstance(value, Mapping):
            yield from _flatten(value, f"{name}.")
        else:
            yield name, value


def read_assignment(text: str) -> tuple[str, Setting]:
    """Parses the text of one `--set KEY=VALUE`.

    Raises:
      InputError: the text has no `=`.
    """
    key, equals, value = text.partition("=")
    if not equals:
        raise InputError(f"--set {text}: expected KEY=VALUE, such as train.epochs=8")
    return key, Setting(value, f"--set {key}")
