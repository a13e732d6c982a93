"""Records the curves of a training in `history.json` and as TensorBoard summaries."""

import json
import os
from collections.abc import Mapping
from typing import Any

import tensorflow as tf
from tensorboard.plugins.hparams.summary_v2 import hparams

from common.files import write_whole
from trainer.training.run_label import RunLabel

_POINTS = 500  # a curve has at least this many points, unless the training has fewer steps


class History:
    """The curves of a training: metrics by step and by epoch.

    Checkpoints contain the curves, so that the curves of a resumed training are complete.

    Attributes:
      values: the points of the curves, in the format of `history.json`.
      summaries: the directory for TensorBoard's event files.
    """

    def __init__(
        self, directory: str, total_steps: int, values: Mapping[str, Any], label: RunLabel
    ) -> None:
        """
        Args:
          directory: the directory of the ModelRun artifact.
          total_steps: the number of steps of the training.
          values: if training resumes from a checkpoint, the curves in the checkpoint, in the format
            of the attribute `values`; empty for a new training.
          label: the name of the training in TensorBoard.
        """
        self._directory = directory
        self._interval = max(total_steps // _POINTS, 1)
        self.values = {key: list(values.get(key, ())) for key in ("steps", "epochs")}
        tf.io.gfile.makedirs(directory)
        self.summaries = os.path.join(directory, label.folder)
        self._writer = tf.summary.create_file_writer(self.summaries)
        with self._writer.as_default(step=0):
            # The tab HPARAMS of TensorBoard cannot show the value None, so None is written as the
            # string "None".
            options = {key: str(v) if v is None else v for key, v in label.options.items()}
            hparams({"name": label.name, **options}, trial_id=label.folder or None)
        for key, prefix in (("steps", "train"), ("epochs", "epoch")):
            for record in self.values[key]:
                self._summarize(prefix, record)

    def add_step(self, step: int, metrics: Mapping[str, float]) -> None:
        """Adds the metrics of one step to the curves.

        If the training has 1,000 or more steps, `add_step` adds only every n-th step, so that a
        curve has fewer than 1,000 points.
        """
        if step % self._interval == 0:
            self._add("steps", "train", {"step": step} | dict(metrics))

    def add_epoch(self, step: int, metrics: Mapping[str, float]) -> None:
        """Adds the metrics of an epoch to the curves; `step` is the last step of the epoch."""
        self._add("epochs", "epoch", {"step": step} | dict(metrics))

    def add_speed(self, step: int, images_per_second: float) -> None:
        """Adds the speed of training to TensorBoard, but not to the curves in `history.json`."""
        with self._writer.as_default(step=step):
            tf.summary.scalar("train/images_per_second", images_per_second)

    def add_images(self, step: int, images: tf.Tensor) -> None:
        """Adds input images, float32 [B, H, W, 3] in [-1, 1], of step `step` to TensorBoard."""
        with self._writer.as_default(step=step):
            tf.summary.image("inputs", images / 2 + 0.5, max_outputs=len(images))

    def write(self) -> None:
        """Writes `history.json`."""
        self._writer.flush()
        path = os.path.join(self._directory, "history.json")
        write_whole(path, json.dumps(self.values, indent=1))

    def _add(self, key: str, prefix: str, record: dict[str, float]) -> None:
        self.values[key].append(record)
        self._summarize(prefix, record)

    def _summarize(self, prefix: str, record: Mapping[str, float]) -> None:
        with self._writer.as_default(step=int(record["step"])):
            for name, value in record.items():
                if name != "step":
                    tf.summary.scalar(f"{prefix}/{name}", value)
