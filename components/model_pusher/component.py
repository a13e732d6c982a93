"""ModelPusher: like TFX's Pusher, but servers never see an incomplete version, and no model is
pushed twice.
"""

from tfx import types
from tfx.dsl.components.base import base_component, executor_spec
from tfx.types import standard_artifacts, standard_component_specs

from components.model_pusher.executor import Executor
from components.property_value import PropertyValue


class ModelPusher(base_component.BaseComponent):
    """TFX's Pusher with the executor of `components.model_pusher.executor`.

    If the champion changes between two runs, Evaluator runs again, and may bless the same model a
    second time. TFX's Pusher would then push the model a second time, and `ModelPusher` does not.
    """

    SPEC_CLASS = standard_component_specs.PusherSpec
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
        spec = standard_component_specs.PusherSpec(
            model=model,
            model_blessing=model_blessing,
            infra_blessing=infra_blessing,
            push_destination=push_destination,
            custom_config=custom_config,
            pushed_model=types.Channel(type=standard_artifacts.PushedModel),
        )
        super().__init__(spec=spec)
