"""Logs the progress of a training, so that a console can show it as a progress bar."""

import dataclasses
import logging
from collections.abc import Mapping

from common.pace import Pace

logger = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class Progress:
    """The state of a training after `step` of `total_steps` optimizer steps.

    Attributes:
      step: number of finished steps.
      total_steps: number of steps of the training if there is no early stopping.
      epoch: the number of the epoch that contains the last finished step, counted from 1.
      metrics: values by name, such as loss and accuracy.
      pace: the speed of the training, and the remaining time without the time for validation.
        `pace` is None after the first step of a new or resumed training, because the first step
        takes much longer than later steps.
    """

    step: int
    total_steps: int
    epoch: int
    metrics: Mapping[str, float]
    pace: Pace | None = None


def report_resumed(step: int) -> None:
    """Logs the number of the step from which training resumes.

    The log record also contains the number of the step, as the attribute `resumed`.
    """
    logger.info("resumes from the checkpoint of step %d", step, extra={"resumed": step})


def report(progress: Progress, level: int) -> None:
    """Logs the progress as text, and as the attribute `progress` of the log record.

    Args:
      progress: the step, the metrics and the speed of the training.
      level: INFO at the end of an epoch, and DEBUG within an epoch, so that a log of level INFO has
        one line for each epoch.
    """
    detail = [f"{name} {value:.4f}" for name, value in progress.metrics.items()]
    if progress.pace:
        detail.append(f"{progress.pace.images_per_second:.1f} images/s")
    logger.log(
        level,
        "epoch %d, step %d of %d: %s",
        progress.epoch,
        progress.step,
        progress.total_steps,
        ", ".join(detail),
        extra={"progress": progress},
    )
