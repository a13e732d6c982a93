"""Reads YAML, and refuses duplicate keys.

This module does not import TensorFlow, which takes seconds to import.
"""

from typing import Any

import yaml


class _Loader(yaml.SafeLoader):
    """A YAML loader that refuses duplicate keys.

    PyYAML's own loader silently uses the last value of a duplicate key. The YAML specification
    (1.2.2, section 3.2.1.1) requires unique keys in a mapping.
    """

    def compose_mapping_node(self, anchor: Any) -> yaml.MappingNode:
        node: yaml.MappingNode = super().compose_mapping_node(anchor)
        seen = set()
        for key in (key for key, _ in node.value if isinstance(key, yaml.ScalarNode)):
            if key.value in seen:
                raise yaml.composer.ComposerError(
                    "while reading a mapping",
                    node.start_mark,
                    f"found the key {key.value} twice; expected it once",
                    key.start_mark,
                )
            seen.add(key.value)
        return node


def load_yaml(text: str) -> Any:
    """Parses `text` like `yaml.safe_load`, but refuses duplicate keys.

    Raises:
      yaml.YAMLError: the text is not YAML, or a mapping in the text contains a key twice.
    """
    return yaml.load(text, Loader=_Loader)
