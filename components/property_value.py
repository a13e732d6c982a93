"""The type of an execution property that is found out when a run begins."""

from typing import Any, Protocol


class Placeholder(Protocol):
    """TFX's `tfx.dsl.placeholder.Placeholder`, by the method that compilers call.

    In a compiled pipeline it stands for a text that a node writes while the pipeline runs.
    """

    def encode(self, component_spec: Any = None) -> Any:
        """The placeholder as the protocol buffer that an orchestrator evaluates."""


PropertyValue = str | Placeholder
