"""The type of an execution property whose value may be known only when a run starts."""

from typing import Any, Protocol


class Placeholder(Protocol):
    """An object with the method `encode`, such as a TFX placeholder (`tfx.dsl.placeholder`).

    Pipeline compilers call `encode`. In a compiled pipeline, a placeholder stands for a string that
    a node writes during the run.
    """

    def encode(self, component_spec: Any = None) -> Any:
        """Returns the placeholder as a protocol buffer that an orchestrator can evaluate."""


PropertyValue = str | Placeholder
