"""CustomJobTrainer: TFX's Trainer, as a custom job of Vertex AI's."""

from tfx.components import Trainer
from tfx.dsl.components.base import executor_spec

from components.custom_job_trainer.executor import Executor


class CustomJobTrainer(Trainer):
    """TFX's Trainer, whose step has a custom job do it.

    The Trainer that TFX has for this takes no statistics, and the job from its `custom_config`.
    """

    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(Executor)
