"""What happened in a training: `history.json`, and TensorBoard's summaries."""

import json
import os
from collections.abc import Mapping
from typing import Any

import tensorflow as tf

_POINTS = 500  # of a curve over the steps of a training


class History:
    """The curves of a training, by step and by epoch.

    They go on when the training does: its checkpoints hold them.
    """

    def __init__(self, directory: str, total_steps: int, values: Mapping[str, Any]) -> None:
        """
        Args:
          directory: of the ModelRun artifact.
          total_steps: of the training.
          values: what `values` was at the checkpoint that the training goes on from; else empty.
        """
        self._directory = directory
        self._interval = max(total_steps // _POINTS, 1)
        self.values = {key: list(values.get(key, ())) for key in ("steps", "epochs")}
        tf.io.gfile.makedirs(directory)
        self._writer = tf.summary.create_file_writer(directory)
        for key, prefix in (("steps", "train"), ("epochs", "epoch")):
            for record in self.values[key]:
                self._summarize(prefix, record)

    def add_step(self, step: int, metrics: Mapping[str, float]) -> None:
        """What one step gave; some are left out of a long training."""
        if step % self._interval == 0:
            self._add("steps", "train", {"step": step} | dict(metrics))

    def add_epoch(self, step: int, metrics: Mapping[str, float]) -> None:
        """What an epoch gave, which ended with `step`."""
        self._add("epochs", "epoch", {"step": step} | dict(metrics))

    def add_speed(self, step: int, images_per_second: float) -> None:
        """How fast training goes: for TensorBoard alone, since it says nothing of the model."""
        with self._writer.as_default(step=step):
            tf.summary.scalar("train/images_per_second", images_per_second)

    def add_images(self, step: int, images: tf.Tensor) -> None:
        """Some of the inputs after `step`, float32 [B, H, W, 3] in [-1, 1]."""
        with self._writer.as_default(step=step):
            tf.summary.image("inputs", images / 2 + 0.5, max_outputs=len(images))

    def write(self) -> None:
        """Writes `history.json`."""
        self._writer.flush()
        path = os.path.join(self._directory, "history.json")
        with tf.io.gfile.GFile(path, "w") as file:
            json.dump(self.values, file, indent=1)

    def _add(self, key: str, prefix: str, record: dict[str, float]) -> None:
        self.values[key].append(record)
        self._summarize(prefix, record)

    def _summarize(self, prefix: str, record: Mapping[str, float]) -> None:
        with self._writer.as_default(step=int(record["step"])):
            for name, value in record.items():
                if name != "step":
                    tf.summary.scalar(f"{prefix}/{name}", value)
