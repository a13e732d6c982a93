"""What a person sees of a run. Imports no TensorFlow.

On a terminal: a spinner for the node that runs, a bar for the Trainer. Piped: plain lines, one an
entry, neither wrapped nor coloured.
"""

import datetime
import time
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import Any, TextIO

import rich.console
import rich.progress
import rich.table
import rich.text

from backbones.download.progress import show_downloads
from pipeline.options.config import Config
from pipeline.recipes import RECIPES
from trainer.training.progress import Progress


class Console:
    """Prints the plan, the nodes as they run, and the summary."""

    def __init__(self, stdout: TextIO, stderr: TextIO) -> None:
        self._out = rich.console.Console(file=stdout, highlight=False, soft_wrap=True)
        self._err = rich.console.Console(file=stderr, highlight=False, soft_wrap=True, style="red")
        self._bar = rich.progress.Progress(
            rich.progress.SpinnerColumn(),
            rich.progress.TextColumn("{task.description}"),
            rich.progress.BarColumn(bar_width=24),
            rich.progress.TextColumn("{task.fields[detail]}"),
            rich.progress.TimeElapsedColumn(),
            console=self._out,
            transient=True,
            disable=not self._out.is_terminal,
            redirect_stdout=False,  # what libraries print belongs in the log
            redirect_stderr=False,
        )
        self._task: rich.progress.TaskID | None = None
        self._started = 0.0
        self._announced = 0
        self._validated: dict[str, float] = {}

    @contextmanager
    def live(self) -> Iterator[None]:
        """Within it the spinner or bar of what is being done is shown."""
        with self._bar:
            yield

    def busy(self, text: str) -> None:
        """Something that takes a while begins; it ends with the next thing that is printed."""
        self._remove_task()
        if self._out.is_terminal:
            self._task = self._bar.add_task(text, total=None, detail="")

    def line(self, text: str, style: str | None = None) -> None:
        """Prints one entry."""
        self._out.print(rich.text.Text(text), style=style)

    def error(self, text: str) -> None:
        """Prints an error to stderr."""
        self._err.print(rich.text.Text(text))

    def plan(self, config: Config, log: str) -> None:
        """Prints what is about to happen."""
        train, gate = config.train, config.gate
        length = f"{train.steps} steps" if train.steps else f"{train.epochs} epochs"
        recall = gate.min_class_recall
        self.line(f"Pipeline {config.name}", style="bold")
        self._fields(
            {
                "model": config.model + (" (random weights)" * (config.weights == "random")),
                "dataset": config.dataset,
                "tune": "the whole backbone" if config.tune == "full" else "a head on its features",
                "recipe": f"{config.recipe}: {length} of {train.optimizer}, batch "
                f"{train.batch_size}, learning rate {train.learning_rate:g}, seed {train.seed}",
                **_published(config),
                "gate": f"accuracy at least {gate.min_accuracy:g}"
                + (f", recall of each class at least {recall:g}" if recall is not None else "")
                + ", not below the last blessed model's"
                + (f" by more than {gate.max_drop:g}" if gate.max_drop else ""),
                "artifacts": config.pipeline_root or "where each run says",
                "serving": config.serving_dir or "below that",
                "log": log,
            }
        )

    def warn(self, text: str) -> None:
        """Prints something that must not be overlooked."""
        self.line(text, style="bold yellow")

    def node_started(self, node: str) -> None:
        """A node begins."""
        self._started = time.monotonic()
        self._announced = 0
        self._validated = {}
        self.busy(node)
        if not self._out.is_terminal:
            self.line(f"{node}: started")

    def node_finished(self, node: str, *, cached: bool) -> None:
        """A node has ended well."""
        self._remove_task()
        seconds = time.monotonic() - self._started
        self.line(f"{node}: " + ("cached" if cached else f"done in {seconds:.1f} s"))

    def node_failed(self, node: str, *, interrupted: bool = False) -> None:
        """A node has ended otherwise."""
        self._remove_task()
        how = "interrupted" if interrupted else "failed"
        self.error(f"{node}: {how} after {time.monotonic() - self._started:.1f} s")

    def resumed(self, step: int) -> None:
        """The Trainer goes on from what an earlier run has saved."""
        self.line(f"  goes on from the checkpoint of step {step}")

    def progress(self, progress: Progress) -> None:
        """The Trainer has done some more steps."""
        # What the last epoch's validation gave stays in sight.
        self._validated |= {k: v for k, v in progress.metrics.items() if k.startswith("val_")}
        metrics = {**progress.metrics, **self._validated}
        parts = [f"{name} {value:.3f}" for name, value in metrics.items()]
        if pace := progress.pace:
            left = datetime.timedelta(seconds=round(pace.seconds_left))
            parts += [f"{pace.images_per_second:.0f} images/s", f"{left} left"]
        detail = ", ".join(parts)
        done, total = progress.step, progress.total_steps
        if self._task is not None:
            self._bar.update(self._task, completed=done, total=total, detail=detail)
        elif done * 10 // total > self._announced:
            self._announced = done * 10 // total
            self.line(f"  step {done} of {total}: {detail}")

    def downloads(self) -> AbstractContextManager[None]:
        """Within it, downloads are shown."""
        return show_downloads(self._out)

    def summary(self, report: Any) -> None:
        """Prints how the run ended."""
        self.line("")
        self._fields(report.artifacts)
        counts = dict(report.images)
        read, quarantined = counts.pop("read"), counts.pop("quarantine")
        splits = ", ".join(f"{count} {split}" for split, count in counts.items())
        self.line(f"images: {read} read: {splits}, {quarantined} quarantined")
        if quarantined:
            self.warn(f"quarantined images: see {report.quarantine}")
        for anomaly in report.anomalies:
            self.warn(f"anomaly: {anomaly}")
        if report.warning:
            self.warn(f"warning: {report.warning}")
        if report.unmeasured:
            first, others = report.unmeasured[:5], len(report.unmeasured[5:])
            names = ", ".join(first) + (f" and {others} more" if others else "")
            self.warn(f"no test image of {names}: nothing is known of how they are told")
        low, high = report.interval
        self.line(
            f"test accuracy: {report.accuracy:.4f} on {report.test_images} images "
            f"(95 % interval {low:.2f} to {high:.2f})"
        )
        name, recall, images = report.worst_class
        self.line(f"worst class: {name}, recall {recall:.4f} on {images} images")
        calibration = report.calibration
        self.line(
            f"calibration: expected error {calibration['expected_calibration_error']:.4f}, "
            f"negative log likelihood {calibration['negative_log_likelihood']:.4f}"
        )
        if (coverage := calibration["coverage"]) < 1:
            right = calibration["accepted_accuracy"]
            self.line(
                f"accepted answers: {coverage:.1%} of the test images, accuracy {right:.4f}"
                if coverage
                else "accepted answers: none"
            )
        if not report.blessed:
            self.line(f"verdict: not blessed: {report.reasons}", style="bold red")
            self.line("pushed to: nothing was pushed")
            return
        self.line("verdict: blessed", style="bold green")
        if report.was_served:
            self.line("it is served already: nothing had to be copied")
        self.line(f"pushed to: {report.pushed_to}")

    def _fields(self, fields: Mapping[str, str]) -> None:
        width = max(map(len, fields))
        for name, value in fields.items():
            self.line(f"  {name:<{width}}  {value}")

    def _remove_task(self) -> None:
        if self._task is not None:
            self._bar.remove_task(self._task)
            self._task = None


def _published(config: Config) -> dict[str, str]:
    """What the recipe is known to reach with the model, if it is."""
    recipe = RECIPES[config.recipe]
    as_published = config.weights == "pretrained" and config.has_recipe_of_dataset
    for entry in recipe.published if as_published else ():
        if entry.model == config.model:
            text = f"{entry.accuracy:g} % (± {entry.spread:g}), {entry.source}"
            return {"published": text}
    return {}
