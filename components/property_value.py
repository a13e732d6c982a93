"""The type of an execution property whose value may be known only when a run starts."""

from typing import Any, Protocol


class Placeholder(Protocol):
    """An object with the method of TFX's `tfx.dsl.placeholder.Placeholder` that compilers use.

    In a compiled pipeline, a placeholder stands for a string that a node writes during the run.
    """

    def encode(self, component_spec: Any = None) -> Any:
        """Returns the placeholder as a protocol buffer that an orchestrator can evaluate."""


PropertyValue = str | Placeholder
