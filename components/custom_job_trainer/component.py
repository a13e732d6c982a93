"""CustomJobTrainer: TFX's Trainer, run as a custom job of Vertex AI."""

from tfx.components import Trainer
from tfx.dsl.components.base import executor_spec

from components.custom_job_trainer.executor import Executor


class CustomJobTrainer(Trainer):
    """TFX's Trainer, but the step submits a custom job, which trains the model.

    TFX's own Trainer for Vertex AI has no input for statistics, and reads the job from its
    `custom_config`, which is part of the cache key.
    """

    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(Executor)
