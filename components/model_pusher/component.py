"""ModelPusher, TFX's Pusher whose versions appear complete, and which pushes no model twice."""

from tfx import types
from tfx.dsl.components.base import base_component, executor_spec
from tfx.types import standard_artifacts, standard_component_specs
from tfx.types.component_spec import ChannelParameter

from components.model_pusher.executor import Executor
from components.model_pusher.verdict import OUTPUT
from components.property_value import PropertyValue


class ModelPusherSpec(standard_component_specs.PusherSpec):
    """TFX's PusherSpec with the output `verdict`."""

    OUTPUTS = {  # noqa: RUF012 (TFX's way)
        **standard_component_specs.PusherSpec.OUTPUTS,
        OUTPUT: ChannelParameter(type=standard_artifacts.String),
    }


class ModelPusher(base_component.BaseComponent):
    """TFX's Pusher with `components.model_pusher.executor`.

    Whenever the baseline changes, Evaluator blesses the model again, and TFX's own Pusher would
    push an unchanged model a second time. The output `verdict` is a
    `components.model_pusher.verdict`.
    """

    SPEC_CLASS = ModelPusherSpec
    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(Executor)

    def __init__(
        self,
        *,
        model: types.BaseChannel,
        model_blessing: types.BaseChannel,
        infra_blessing: types.BaseChannel,
        push_destination: PropertyValue,
        custom_config: PropertyValue,
    ) -> None:
        """
        Args:
          model: channel of one Model artifact.
          model_blessing: channel of one ModelBlessing artifact.
          infra_blessing: channel of one InfraBlessing artifact of ServingCheck.
          push_destination: TFX's PushDestination, as JSON.
          custom_config: `components.model_pusher.settings.PusherSettings`, as JSON.
        """
        spec = ModelPusherSpec(
            model=model,
            model_blessing=model_blessing,
            infra_blessing=infra_blessing,
            push_destination=push_destination,
            custom_config=custom_config,
            pushed_model=types.Channel(type=standard_artifacts.PushedModel),
            verdict=types.Channel(type=standard_artifacts.String),
        )
        super().__init__(spec=spec)
