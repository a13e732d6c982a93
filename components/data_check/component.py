"""DataCheck, which looks for issues in the images before anything is trained on them."""

from tfx import types
from tfx.dsl.components.base import base_component, executor_spec
from tfx.types import standard_artifacts
from tfx.types.component_spec import ChannelParameter, ExecutionParameter

from components.data_check.executor import EXAMPLES, ISSUES, Executor
from components.property_value import PropertyValue


class DataCheckSpec(types.ComponentSpec):
    """Execution properties, input and output of `DataCheck`."""

    PARAMETERS = {  # noqa: RUF012 (as TFX defines specs)
        "classes": ExecutionParameter(type=str),  # JSON
        "max_leak": ExecutionParameter(type=float),
        "code_fingerprint": ExecutionParameter(type=str),
    }
    INPUTS = {EXAMPLES: ChannelParameter(type=standard_artifacts.Examples)}  # noqa: RUF012
    # Of a type of TFX's, because in a container TFX finds no others by their names.
    OUTPUTS = {  # noqa: RUF012
        ISSUES: ChannelParameter(type=standard_artifacts.ExampleAnomalies)
    }


class DataCheck(base_component.BaseComponent):
    """Lists near duplicates, shortcuts and odd images in `data_issues.jsonl`.

    It reads the `test` split too. Nothing that it computes is given to a node that learns.
    """

    SPEC_CLASS = DataCheckSpec
    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(Executor)

    def __init__(
        self,
        *,
        examples: types.BaseChannel,
        classes: PropertyValue,
        max_leak: float,
        code_fingerprint: PropertyValue,
    ) -> None:
        """
        Args:
          examples: ImageExampleGen's examples.
          classes: the class names, as JSON.
          max_leak: the largest share of test images with a near duplicate in another split with
            which the run goes on.
          code_fingerprint: the fingerprint of the executor's code.
        """
        super().__init__(
            spec=DataCheckSpec(
                examples=examples,
                classes=classes,
                max_leak=max_leak,
                code_fingerprint=code_fingerprint,
                data_issues=types.Channel(type=standard_artifacts.ExampleAnomalies),
            )
        )
