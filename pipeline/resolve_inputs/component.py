"""The node ResolveInputs, which runs first in a compiled pipeline and finds the data and model."""

from collections.abc import Mapping
from typing import Any

from tfx import types
from tfx.dsl.components.base import base_component, executor_spec
from tfx.types import standard_artifacts
from tfx.types.component_spec import ChannelParameter, ExecutionParameter

from pipeline.properties import PROPERTY_NAMES
from pipeline.resolve_inputs.executor import SETTINGS, Executor
from pipeline.run_parameters import PARAMETERS


class ResolveInputsSpec(types.ComponentSpec):
    """Execution properties and outputs of `ResolveInputs`."""

    PARAMETERS = {  # noqa: RUF012 (TFX defines specs in this way)
        SETTINGS: ExecutionParameter(type=str),  # JSON
        **{
            parameter.name: ExecutionParameter(type=parameter.type, optional=True)
            for parameter in PARAMETERS
        },
    }
    INPUTS: dict[str, ChannelParameter] = {}  # noqa: RUF012
    OUTPUTS = {  # noqa: RUF012
        name: ChannelParameter(type=standard_artifacts.String) for name in PROPERTY_NAMES
    }


class ResolveInputs(base_component.BaseComponent):
    """Finds the data and the backbone, and outputs the execution properties of the other nodes.

    The results of ResolveInputs must never be cached, because each run must look for new data.
    """

    SPEC_CLASS = ResolveInputsSpec
    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(Executor)

    def __init__(self, *, settings: str, parameters: Mapping[str, Any]) -> None:
        """
        Args:
          settings: the configuration, from `pipeline.options.config.Config.to_json`.
          parameters: the run's parameters by name, as TFX's RuntimeParameters.
        """
        outputs = {name: types.Channel(type=standard_artifacts.String) for name in PROPERTY_NAMES}
        super().__init__(spec=ResolveInputsSpec(settings=settings, **parameters, **outputs))

    def placeholders(self) -> dict[str, Any]:
        """Returns a placeholder for each execution property, by the name of the property."""
        return {name: self.outputs[name].future()[0].value for name in PROPERTY_NAMES}
