"""Profiles ten training steps for TensorBoard."""

import logging
from types import TracebackType

import tensorflow as tf

logger = logging.getLogger(__name__)

_STEPS = 10


class Profile:
    """A context in which ten steps are profiled.

    If training resumes from a checkpoint in the middle of the ten steps, only the steps after the
    checkpoint are profiled.
    """

    def __init__(self, first: int | None, log_dir: str) -> None:
        """
        Args:
          first: the number of the first step to profile, counted from 1; None to profile no steps.
          log_dir: the directory for the profile, which TensorBoard reads.
        """
        self._steps = range(0) if first is None else range(first, first + _STEPS)
        self._log_dir = log_dir
        self._is_on = False
        self._last = 0  # number of the step that was started most recently

    def before_step(self, step: int) -> None:
        """Starts or stops profiling, depending on the number of the next step.

        The training loop calls this method before each step.
        """
        self._last = step
        if (step in self._steps) == self._is_on:
            return
        if self._is_on:
            self._stop()
        else:
            tf.profiler.experimental.start(self._log_dir)
            self._is_on = True

    def __enter__(self) -> "Profile":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if not self._is_on:
            return
        self._stop()
        if self._last < self._steps[-1]:
            logger.info("profiled fewer steps than %d, because the training ended", _STEPS)

    def _stop(self) -> None:
        self._is_on = False
        tf.profiler.experimental.stop()
