"""The type of an execution property: a string, or a placeholder for a string that is known only
during the run.
"""

from typing import Any, Protocol


class Placeholder(Protocol):
    """An object with the method `encode`, such as a TFX placeholder (`tfx.dsl.placeholder`).

    Pipeline compilers call `encode`. At run time, the orchestrator replaces the encoded placeholder
    with a string that another node of the pipeline wrote.
    """

    def encode(self, component_spec: Any = None) -> Any:
        """Returns the placeholder as a protocol buffer that an orchestrator can evaluate."""


PropertyValue = str | Placeholder
