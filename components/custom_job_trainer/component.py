"""CustomJobTrainer: TFX's Trainer, which runs in a custom job of Vertex AI."""

from tfx.components import Trainer
from tfx.dsl.components.base import executor_spec

from components.custom_job_trainer.executor import Executor


class CustomJobTrainer(Trainer):
    """A Trainer whose pipeline step submits a custom job, which trains the model.

    This class does not extend TFX's own Trainer for Vertex AI, which has no input for statistics,
    and reads the description of the job from `custom_config`, which is part of TFX's cache key. If
    a user changed only the machines of the job, TFX would train the same model again.
    """

    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(Executor)
