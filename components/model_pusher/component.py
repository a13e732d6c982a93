"""ModelPusher: a variant of TFX's Pusher. Servers never see an incomplete version, and a model that
is served already is not pushed again.
"""

from tfx import types
from tfx.dsl.components.base import base_component, executor_spec
from tfx.types import standard_artifacts, standard_component_specs

from components.model_pusher.executor import Executor
from components.property_value import PropertyValue


class ModelPusher(base_component.BaseComponent):
    """TFX's Pusher with the executor of `components.model_pusher.executor`.

    The champion is part of Evaluator's cache key, so Evaluator evaluates the same model again, and
    may bless it again, after the champion has changed. TFX's Pusher pushes a model after each
    blessing. `ModelPusher` does not push a model that is served already.
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
