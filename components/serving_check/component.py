"""ServingCheck, a node that tests whether servers can load and use the exported model."""

from tfx import types
from tfx.dsl.components.base import base_component, executor_spec
from tfx.types import standard_artifacts, standard_component_specs
from tfx.types.component_spec import ChannelParameter, ComponentSpec, ExecutionParameter

from components.property_value import PropertyValue
from components.serving_check.executor import BLESSING, EVALUATION, SETTINGS, Executor


class ServingCheckSpec(ComponentSpec):
    """The spec of `ServingCheck`."""

    PARAMETERS = {SETTINGS: ExecutionParameter(type=str)}  # noqa: RUF012 (as in TFX's specs)
    INPUTS = {  # noqa: RUF012
        standard_component_specs.MODEL_KEY: ChannelParameter(type=standard_artifacts.Model),
        standard_component_specs.EXAMPLES_KEY: ChannelParameter(type=standard_artifacts.Examples),
        EVALUATION: ChannelParameter(type=standard_artifacts.ModelEvaluation),
    }
    OUTPUTS = {  # noqa: RUF012
        BLESSING: ChannelParameter(type=standard_artifacts.InfraBlessing)
    }


class ServingCheck(base_component.BaseComponent):
    """Loads the exported model in a new process, in the same way as TensorFlow Serving, and sends
    images to the model.

    ServingCheck replaces TFX's InfraValidator, which needs Docker or Kubernetes to start a server.
    Instead of a server, ServingCheck starts a Python process that runs a script, which imports
    TensorFlow and no other code of the project. The output is an InfraBlessing artifact, which
    TFX's Pusher reads. The artifact also contains a JSON file with all requests, answers and times.
    """

    SPEC_CLASS = ServingCheckSpec
    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(Executor)

    def __init__(
        self,
        *,
        model: types.BaseChannel,
        examples: types.BaseChannel,
        evaluation: types.BaseChannel,
        settings: PropertyValue,
    ) -> None:
        """
        Args:
          model: channel of one Model artifact.
          examples: channel of one Examples artifact with a split `test`.
          evaluation: channel of one ModelEvaluation artifact of the same model and examples.
          settings: `components.serving_check.settings.ServingCheckSettings`, as JSON.
        """
        spec = ServingCheckSpec(
            model=model,
            examples=examples,
            evaluation=evaluation,
            settings=settings,
            blessing=types.Channel(type=standard_artifacts.InfraBlessing),
        )
        super().__init__(spec=spec)
