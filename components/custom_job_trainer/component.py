"""CustomJobTrainer: TFX's Trainer, which runs in a custom job of Vertex AI."""

from tfx.components import Trainer
from tfx.dsl.components.base import executor_spec

from components.custom_job_trainer.executor import Executor


class CustomJobTrainer(Trainer):
    """A Trainer whose pipeline step submits a custom job, which trains the model.

    This class does not extend TFX's own Trainer for Vertex AI, because that Trainer has no input
    for statistics. TFX's own Trainer for Vertex AI also reads the description of the job from
    `custom_config`, which is part of TFX's cache key. If a user changed only the machines of the
    job, the cache key would change, and TFX would train the same model again.
    """

    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(Executor)
