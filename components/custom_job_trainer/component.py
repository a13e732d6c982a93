"""CustomJobTrainer: TFX's Trainer, which runs in a custom job of Vertex AI."""

from tfx.components import Trainer
from tfx.dsl.components.base import executor_spec

from components.custom_job_trainer.executor import Executor


class CustomJobTrainer(Trainer):
    """TFX's Trainer, whose step submits a custom job that trains the model.

    TFX's own Trainer for Vertex AI is not used, because it has no input for statistics, and because
    it reads the description of the job from `custom_config`. `custom_config` is part of the cache
    key. If a user changed only the machines of the job, TFX's own Trainer would train the model
    again, although the machines do not affect the model.
    """

    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(Executor)
