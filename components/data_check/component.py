"""DataCheck, which looks for issues in the images before anything is trained on them."""

from tfx import types
from tfx.dsl.components.base import base_component, executor_spec
from tfx.types import standard_artifacts
from tfx.types.component_spec import ChannelParameter, ExecutionParameter

from components.data_check import full_executor
from components.data_check.executor import EXAMPLES, ISSUES, Executor
from components.data_check.full_executor import BACKBONE, FEATURES, INPUT_RANGE
from components.property_value import PropertyValue

_PARAMETERS = {
    "classes": ExecutionParameter(type=str),  # JSON
    "max_leak": ExecutionParameter(type=float),
    "code_fingerprint": ExecutionParameter(type=str),
}


class DataCheckSpec(types.ComponentSpec):
    """Execution properties, input and output of `DataCheck`."""

    PARAMETERS = _PARAMETERS
    INPUTS = {EXAMPLES: ChannelParameter(type=standard_artifacts.Examples)}  # noqa: RUF012
    # The artifact has one of TFX's own types, because TFX in a container finds only these types by
    # name.
    OUTPUTS = {  # noqa: RUF012
        ISSUES: ChannelParameter(type=standard_artifacts.ExampleAnomalies)
    }


class FullDataCheckSpec(DataCheckSpec):
    """Execution properties, inputs and output of `FullDataCheck`."""

    PARAMETERS = _PARAMETERS | {INPUT_RANGE: ExecutionParameter(type=str)}
    INPUTS = DataCheckSpec.INPUTS | {
        BACKBONE: ChannelParameter(type=standard_artifacts.Model),
        # The channel is missing if the whole backbone is tuned, because Transform then computes no
        # features.
        FEATURES: ChannelParameter(type=standard_artifacts.Examples, optional=True),
    }


class DataCheck(base_component.BaseComponent):
    """Lists near duplicates, shortcuts and odd images in `data_issues.jsonl`.

    The node also reads the `test` split, but no node that trains a model reads the list.
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
          max_leak: the largest share of test images with a near duplicate in another split for
            which the run continues.
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


class FullDataCheck(base_component.BaseComponent):
    """Does what `DataCheck` does, and also finds label errors and outliers in the backbone's
    features.

    The node also reads the `test` split, but no node that trains a model reads the list.
    """

    SPEC_CLASS = FullDataCheckSpec
    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(full_executor.Executor)

    def __init__(
        self,
        *,
        examples: types.BaseChannel,
        backbone: types.BaseChannel,
        transformed_examples: types.BaseChannel | None,
        classes: PropertyValue,
        max_leak: float,
        input_range: str,
        code_fingerprint: PropertyValue,
    ) -> None:
        """
        Args:
          examples: ImageExampleGen's examples.
          backbone: a Model artifact, whose directory is the SavedModel of the backbone.
          transformed_examples: Transform's examples, with the features of the splits that Transform
            reads; None if Transform computes no features.
          classes: the class names, as JSON.
          max_leak: as in `DataCheck`.
          input_range: the range of the backbone's pixels, see `backbones.input_range`.
          code_fingerprint: the fingerprint of the executor's code.
        """
        features = {} if transformed_examples is None else {FEATURES: transformed_examples}
        super().__init__(
            spec=FullDataCheckSpec(
                examples=examples,
                backbone=backbone,
                classes=classes,
                max_leak=max_leak,
                input_range=input_range,
                code_fingerprint=code_fingerprint,
                data_issues=types.Channel(type=standard_artifacts.ExampleAnomalies),
                **features,
            )
        )
