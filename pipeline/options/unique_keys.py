"""YAML, read so that a key that is there twice is an error. Imports no TensorFlow."""

from typing import Any

import yaml


class _Loader(yaml.SafeLoader):
    """Refuses a key that is there twice; PyYAML's own loader silently takes the last of its values.

    The YAML specification, 1.2.2, section 3.2.1.1, has the keys of a mapping unique.
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
    """What `yaml.safe_load` gives.

    Raises:
      yaml.YAMLError: the text is no YAML, or a mapping in it has a key twice.
    """
    return yaml.load(text, Loader=_Loader)
