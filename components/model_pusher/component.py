"""ModelPusher: TFX's Pusher, but a model that is served already is not pushed again."""

from tfx.components import Pusher
from tfx.dsl.components.base import executor_spec

from components.model_pusher.executor import Executor


class ModelPusher(Pusher):
    """TFX's Pusher with `components.model_pusher.executor`.

    Evaluator blesses anew whenever the baseline changes, so TFX's own Pusher would push an
    unchanged model a second time.
    """

    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(Executor)
