"""The progress of a training, as log records that a console can show as a progress bar."""

import dataclasses
import logging
from collections.abc import Mapping

from common.pace import Pace

logger = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class Progress:
    """State of a training after `step` of `total_steps` optimizer steps.

    Attributes:
      step: number of finished steps.
      total_steps: number of steps of the training, unless it stops early.
      epoch: the epoch that contains this step, counted from 1.
      metrics: values by name, such as loss and accuracy.
      pace: the speed and the remaining time, without validation; None after the first step of a
        training, or after a resume, because the first step takes far longer than later steps.
    """

    step: int
    total_steps: int
    epoch: int
    metrics: Mapping[str, float]
    pace: Pace | None = None


def report_resumed(step: int) -> None:
    """Logs a record with the attribute `resumed`, the step that training resumes from."""
    logger.info("resumes from the checkpoint of step %d", step, extra={"resumed": step})


def report(progress: Progress, level: int) -> None:
    """Logs a record with the attribute `progress`.

    Args:
      progress: the state of the training.
      level: INFO at the end of each epoch, DEBUG in between, so that a plain log has one line for
        each epoch.
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
