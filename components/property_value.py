"""The type of an execution property whose value may be known only when a run starts."""

from typing import Any, Protocol


class Placeholder(Protocol):
    """The interface of TFX's `tfx.dsl.placeholder.Placeholder` that compilers use.

    In a compiled pipeline, a placeholder stands for a text that a node writes during the run.
    """

    def encode(self, component_spec: Any = None) -> Any:
        """Returns the placeholder as a protocol buffer, which an orchestrator evaluates."""


PropertyValue = str | Placeholder
