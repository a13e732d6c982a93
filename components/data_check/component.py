"""DataCheck, which looks for problems in the images before a model is trained on them."""

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
    # `data_issues` has one of TFX's own artifact types. In a container, TFX finds the class of an
    # artifact by the name of its type, and knows only its own types.
    OUTPUTS = {  # noqa: RUF012
        ISSUES: ChannelParameter(type=standard_artifacts.ExampleAnomalies)
    }


class FullDataCheckSpec(DataCheckSpec):
    """Execution properties, inputs and output of `FullDataCheck`."""

    PARAMETERS = _PARAMETERS | {INPUT_RANGE: ExecutionParameter(type=str)}
    INPUTS = DataCheckSpec.INPUTS | {
        BACKBONE: ChannelParameter(type=standard_artifacts.Model),
        # The features are optional, because with `--tune full`, Transform does not compute them.
        FEATURES: ChannelParameter(type=standard_artifacts.Examples, optional=True),
    }


class DataCheck(base_component.BaseComponent):
    """Lists near duplicates, shortcuts and unusual images in the file `data_issues.jsonl`.

    A shortcut is a file format or image size that is common in one class and rare in all others. A
    model can learn a shortcut instead of the content of the images.

    The node also reads the `test` split. The test images cannot affect training, because no node
    that trains a model reads `data_issues.jsonl`.
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
          max_leak: the largest allowed share of test images with a near duplicate in another split,
            from 0 to 1; if the share is larger, the run stops.
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
    """Like `DataCheck`, but also finds wrong labels and outliers with the features of a backbone.

    The node also reads the `test` split. The test images cannot affect training, because no node
    that trains a model reads `data_issues.jsonl`.
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
          transformed_examples: Transform's output, with the features of the train and validation
            images; None if Transform does not compute features.
          classes: the class names, as JSON.
          max_leak: the largest allowed share of test images with a near duplicate in another split,
            as in `DataCheck`.
          input_range: the range of pixel values that the backbone expects, see
            `backbones.input_range`.
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
