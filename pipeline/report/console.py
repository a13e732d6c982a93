"""Shows a run on the console.

This module does not import TensorFlow, which takes seconds to import.

On a terminal, the console shows a progress bar for the running node. In a pipe or a file, the
console writes plain lines without colors, and does not wrap long lines.
"""

import logging
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import Any, TextIO

import rich.console
import rich.text

from backbones.download.progress import show_downloads
from common import termination
from common.notice import logger as notice_logger
from common.pace import Pace
from common.progress_display import ProgressDisplay, describe_images, describe_pace
from common.text import escape_controls, make_printable
from pipeline.found_images import FoundImages
from pipeline.options.config import Config
from pipeline.recipes import RECIPES
from pipeline.report.results import describe_results
from trainer.training.forecast import Forecast
from trainer.training.progress import Progress

logger = logging.getLogger(__name__)


class Console:
    """Prints the plan of a run, each node when it runs, and the summary."""

    def __init__(
        self, stdout: TextIO, stderr: TextIO, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._out = rich.console.Console(file=stdout, highlight=False, soft_wrap=True)
        self._err = rich.console.Console(file=stderr, highlight=False, soft_wrap=True, style="red")
        self._progress = ProgressDisplay(self._out, self.line, clock)
        self._last_lines: list[str] = []
        self._started = 0.0
        self._validated: dict[str, float] = {}

    @contextmanager
    def live(self) -> Iterator[None]:
        """A context in which the console shows progress and prints messages of `common.notice`."""
        notices = _Notices(self)
        notice_logger.addHandler(notices)
        try:
            with termination.call_before_end(self._progress.bars.stop), self._progress.bars:
                yield
        finally:
            notice_logger.removeHandler(notices)

    def show_activity(self, text: str) -> None:
        """Shows a spinner with `text` on a terminal, until the console prints the next line."""
        self._progress.begin(text)

    def line(self, text: str, style: str | None = None) -> None:
        """Prints `text` in one line; line breaks, such as in file names, are escaped."""
        self._out.print(rich.text.Text(escape_controls(text)), style=style)

    def keep_line(self, text: str) -> None:
        """Stores a line, which `print_kept_lines` prints at the end of the output."""
        self._last_lines.append(text)

    def print_kept_lines(self) -> None:
        """Prints the lines that `keep_line` stored."""
        while self._last_lines:
            self.line(self._last_lines.pop(0))

    def error(self, text: str) -> None:
        """Prints an error to stderr, in one line."""
        self._err.print(rich.text.Text(make_printable(text)))

    def plan(self, config: Config, log: str) -> None:
        """Prints the plan of a run: model, data, recipe, gate and directories."""
        gate = config.gate
        recall = gate.min_class_recall
        self.line(f"Pipeline {config.name}", style="bold")
        self._fields(
            {
                "model": config.model_in_words,
                "dataset": config.dataset,
                "tune": "the whole backbone" if config.tune == "full" else "a head on its features",
                "recipe": f"{config.recipe}: {config.training_in_words}",
                **_find_published_accuracy(config),
                "gate": f"accuracy at least {gate.min_accuracy:g}"
                + (f", recall of each class at least {recall:g}" if recall is not None else "")
                + (f", with {100 * gate.confidence:g} % confidence" if gate.confidence else "")
                + ", not below the last blessed model's"
                + (f" by more than {gate.max_drop:g}" if gate.max_drop else ""),
                "artifacts": config.pipeline_root or "given with each run",
                "serving": config.serving_dir or "the directory `serving` below the artifacts",
                "log": log,
            }
        )

    def plan_inspection(self, config: Config, log: str) -> None:
        """Prints the plan of an inspection: data, check and directories."""
        self.line(f"Inspection {config.name}", style="bold")
        self._fields(
            {
                "dataset": config.dataset,
                "data check": config.data.check
                + (f", with {config.model_in_words}" if config.data.check == "full" else ""),
                "artifacts": config.pipeline_root,
                "log": log,
            }
        )

    def print_found_images(self, found: FoundImages) -> None:
        """Prints a description of the images that a run found, and warnings about the images."""
        self._fields(found.describe())
        for warning in found.warnings():
            self.warn(warning)

    def warn_of_smaller_batch(self, config: Config, fitted: Config) -> None:
        """Warns if `pipeline.batch.fit_batch` reduced the batch size."""
        before, after = config.train.batch_size, fitted.train.batch_size
        if after != before:
            self.warn(
                f"The batch size is {after} instead of the recipe's {before}: the training split "
                f"has too few images for a batch of {before}."
            )

    def warn(self, text: str) -> None:
        """Prints a warning."""
        self.line(text, style="bold yellow")

    def node_started(self, node: str) -> None:
        """Shows that a node starts."""
        self._started = time.monotonic()
        self._validated = {}
        self.show_activity(node)
        if not self._out.is_terminal:
            self.line(f"{node}: started")

    def node_finished(self, node: str, *, cached: bool) -> None:
        """Shows that a node has succeeded."""
        self._progress.end()
        seconds = time.monotonic() - self._started
        self.line(f"{node}: " + ("cached" if cached else f"done in {seconds:.1f} s"))

    def node_failed(self, node: str, *, interrupted: bool = False) -> None:
        """Shows that a node has failed or was interrupted."""
        self._progress.end()
        how = "interrupted" if interrupted else "failed"
        self.error(f"{node}: {how} after {time.monotonic() - self._started:.1f} s")

    def print_resumed_step(self, step: int) -> None:
        """Prints that the Trainer resumes from a checkpoint of an earlier run."""
        self.line(f"  resumes from the checkpoint of step {step}")

    def forecast(self, forecast: Forecast) -> None:
        """Prints the estimated duration of the training."""
        for line in forecast.describe():
            self.line(f"  {line}")

    def progress(self, progress: Progress) -> None:
        """Shows the progress of the Trainer."""
        # Trainer reports validation metrics only at the end of an epoch. During an epoch, the
        # console shows the validation metrics of the previous epoch.
        self._validated |= {k: v for k, v in progress.metrics.items() if k.startswith("val_")}
        metrics = {**progress.metrics, **self._validated}
        parts = [f"{name} {value:.3f}" for name, value in metrics.items()]
        done, total = progress.step, progress.total_steps
        detail = ", ".join([f"step {done} of {total}", *parts, *describe_pace(progress.pace)])
        self._progress.show(done, total, detail)

    def images(self, done: int, total: int, pace: Pace | None) -> None:
        """Shows the number of images that the running node has read.

        Args:
          done: number of images that the node has read.
          total: number of images that the node will have read when it ends.
          pace: the images per second and the remaining time; None if they are unknown.
        """
        self._progress.show(done, total, describe_images(done, total, pace))

    def downloads(self) -> AbstractContextManager[None]:
        """A context in which the console shows the progress of downloads."""
        return show_downloads(self._out)

    def summary(self, report: Any) -> None:
        """Prints accuracy, verdict and paths, and writes all results to the log.

        Args:
          report: a `pipeline.report.outcome.Report`.
        """
        for line in describe_results(report):
            logger.info("%s", line)
        self.line("")
        if report.images["quarantine"]:
            self.warn(f"quarantined images: see {report.quarantine}")
        for anomaly in report.anomalies:
            self.warn(f"anomaly: {anomaly}")
        if report.warning:
            self.warn(f"warning: {report.warning}")
        for warning in report.gate.warnings:
            self.warn(warning)
        if report.slowest:
            self._log_and_print(f"slowest nodes: {report.slowest}")
        low, high = report.interval
        self._log_and_print(
            f"test accuracy: {report.accuracy:.4f} on {report.test_images} images "
            f"(95 % interval {low:.2f} to {high:.2f})"
        )
        self._verdict(report)
        self._log_and_print(f"report: {report.page}")

    def _verdict(self, report: Any) -> None:
        refusals = {
            "not blessed by the gate": report.gate.reasons,
            "refused by ServingCheck": report.serving.reasons,
        }
        found = [f"{check}: {'; '.join(why)}" for check, why in refusals.items() if why]
        if found:
            self._log_and_print(f"verdict: {'; '.join(found)}", style="bold red")
            self._log_and_print("pushed to: nothing was pushed")
            return
        self._log_and_print("verdict: blessed", style="bold green")
        if report.unpushed:
            self._log_and_print(f"pushed to: nothing: {report.unpushed}", style="bold red")
            return
        if report.was_served:
            self._log_and_print("the model is served already, so nothing was copied")
        self._log_and_print(f"pushed to: {report.pushed_to}")

    def _log_and_print(self, text: str, style: str | None = None) -> None:
        logger.info("%s", text)
        self.line(text, style)

    def _fields(self, fields: Mapping[str, str]) -> None:
        width = max(map(len, fields))
        for name, value in fields.items():
            self.line(f"  {name:<{width}}  {value}")


class _Notices(logging.Handler):
    """Prints each message of `common.notice.print_notice` on the console."""

    def __init__(self, console: Console) -> None:
        super().__init__()
        self._console = console

    def emit(self, record: logging.LogRecord) -> None:
        self._console.warn(record.getMessage())


def _find_published_accuracy(config: Config) -> dict[str, str]:
    """Returns the accuracy that was published for this recipe and this model.

    The result has the single key "published", which the console prints in front of the accuracy and
    its source. The result is empty if no accuracy was published for this model, if the weights are
    random, or if the run does not use the dataset's default recipe unchanged.
    """
    recipe = RECIPES[config.recipe]
    as_published = config.weights == "pretrained" and config.has_recipe_of_dataset
    for entry in recipe.published if as_published else ():
        if entry.model == config.model:
            text = f"{entry.accuracy:g} % (± {entry.spread:g}), {entry.source}"
            return {"published": text}
    return {}
