"""CustomJobTrainer, TFX's Trainer as a custom job of Vertex AI."""

from tfx.components import Trainer
from tfx.dsl.components.base import executor_spec

from components.custom_job_trainer.executor import Executor


class CustomJobTrainer(Trainer):
    """TFX's Trainer, whose step submits a custom job that trains.

    TFX's own Trainer for custom jobs is not used because it takes no statistics, and takes the job
    from `custom_config`.
    """

    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(Executor)
