"""The Trainer's input pipeline: record files -> batches of (inputs, labels)."""

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING

import tensorflow as tf

from trainer.input.augment.image import augment_image
from trainer.input.augment.mix import mix
from trainer.input.augmentation import Augmentation
from trainer.preprocessing import FEATURES, IMAGE, LABEL, PIXELS

if TYPE_CHECKING:  # so that reading examples needs no TensorFlow Transform
    from trainer.input.transform_graph import TransformGraph

# Records, which hold encoded images or features, never decoded pixels: some 100 MB of photographs.
_SHUFFLE_BUFFER = 1024
_ENCODED = {IMAGE: tf.io.FixedLenFeature([], tf.string), LABEL: tf.io.FixedLenFeature([], tf.int64)}


@dataclasses.dataclass(frozen=True, kw_only=True)
class TrainingData:
    """The training split, without end, in an order that follows from the seed alone.

    The image at each position of that order, and what augmentation makes of it, are functions of
    seed and position: training can go on from any of them, and on any number of devices. (MixUp and
    CutMix take partners from what a worker has of a batch: on another number of workers, others.
    And if ImageExampleGen was run again meanwhile, by an engine that writes records in another
    order, a training goes on in that one.)

    Attributes:
      files: gzipped TFRecords: raw examples for tune "full", transformed for "head".
      examples: how many are in them.
      classes: how many classes there are.
      seed: of order and augmentation.
      tune: "full" or "head".
      graph: how transformed examples are parsed.
      image_shape: H and W of the backbone.
      augmentation: of the images; not for tune "head".
    """

    files: Sequence[str]
    examples: int
    classes: int
    seed: int
    tune: str
    graph: "TransformGraph"
    image_shape: tuple[int, int]
    augmentation: Augmentation

    def batches(
        self, batch_size: int, *, parts: int = 1, start: int = 0, worker: int = 0, workers: int = 1
    ) -> tf.data.Dataset:
        """Batches of one worker, for its devices in turn.

        Args:
          batch_size: of one device.
          parts: how many such batches a worker takes in one step, which are mixed as one.
          start: position of the first example.
          worker: which of the workers; each takes every `workers`th example.
          workers: how many there are.

        Returns:
          (float32 [B, H, W, 3] in [-1, 1], or [B, D] for a head; float32 [B, C], the share of each
          class in each image).
        """
        records = self._records(start).shard(workers, worker)
        examples = records.map(self._parse, num_parallel_calls=tf.data.AUTOTUNE)
        if self.augmentation.mixup or self.augmentation.cutmix:
            share = parts * batch_size
            whole = examples.batch(share, drop_remainder=True)
            batches = whole.map(
                # All workers draw the same, from which of the steps it is.
                lambda positions, *batch: self._mix(positions[0] // (share * workers), *batch),
                num_parallel_calls=2,  # each holds all of its pixels
            )
            if parts > 1:
                batches = batches.unbatch().batch(batch_size, drop_remainder=True)
        else:
            batches = examples.map(lambda position, inputs, label: (inputs, label))
            batches = batches.batch(batch_size, drop_remainder=True)
        return batches.prefetch(tf.data.AUTOTUNE)

    def _records(self, start: int) -> tf.data.Dataset:
        """(position, record) from position `start` on."""
        first, skipped = divmod(start, self.examples)
        names = _matching(self.files)
        files = tf.data.Dataset.from_tensor_slices(names)
        # What fits the shuffle buffer would be held there anyway: it is read once.
        kept = _records_of(files).cache() if self.examples <= _SHUFFLE_BUFFER else None

        def read_epoch(epoch: tf.Tensor) -> tf.data.Dataset:
            # Of this function's graph alone; under a seed of 0, epochs could not be seeds.
            tf.random.set_seed(self.seed + 1)
            records = kept
            if records is None:
                records = _records_of(files.shuffle(len(names), seed=epoch))
            return records.shuffle(_SHUFFLE_BUFFER, seed=epoch)

        records = tf.data.Dataset.counter(first).flat_map(read_epoch)
        return records.enumerate(first * self.examples).skip(skipped)

    def _parse(
        self, position: tf.Tensor, record: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        if self.tune == "head":
            parsed = tf.io.parse_single_example(record, self.graph.feature_spec)
            inputs = parsed[FEATURES]
        else:
            parsed = tf.io.parse_single_example(record, _ENCODED)
            inputs = augment_image(
                parsed[IMAGE], self._seed(position), *self.image_shape, self.augmentation
            )
        return position, inputs, tf.one_hot(parsed[LABEL], self.classes)

    def _mix(
        self, step: tf.Tensor, images: tf.Tensor, labels: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        seed = self._seed(-1 - step)  # no image's
        return mix(
            images, labels, seed, mixup=self.augmentation.mixup, cutmix=self.augmentation.cutmix
        )

    def _seed(self, position: tf.Tensor) -> tf.Tensor:
        return tf.stack([tf.constant(self.seed, tf.int64), position])


def validation_batches(
    files: Sequence[str], graph: "TransformGraph", *, tune: str, classes: int, batch_size: int
) -> tf.data.Dataset:
    """Batches of the validation split, in order, once; preprocessed by the transform graph.

    Args:
      files: as for `TrainingData`.
      graph: turns encoded images into pixels.
      tune: "full" or "head".
      classes: how many there are.
      batch_size: images in a batch; the last one may be smaller.

    Returns:
      As `TrainingData.batches`.
    """
    records = _records_of(tf.data.Dataset.from_tensor_slices(_matching(files)))

    def parse(batch: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        if tune == "head":
            parsed = tf.io.parse_example(batch, graph.feature_spec)
            inputs = parsed[FEATURES]
        else:
            parsed = tf.io.parse_example(batch, _ENCODED)
            inputs = graph(parsed[IMAGE], PIXELS)
        return inputs, tf.one_hot(parsed[LABEL], classes)

    parsed = records.batch(batch_size).map(parse, num_parallel_calls=tf.data.AUTOTUNE)
    return parsed.prefetch(tf.data.AUTOTUNE)


def read_labels(files: Sequence[str]) -> list[int]:
    """The labels of all examples, in no particular order."""
    records = _records_of(tf.data.Dataset.from_tensor_slices(_matching(files)))
    spec = {LABEL: _ENCODED[LABEL]}
    labels = records.batch(1024).map(lambda batch: tf.io.parse_example(batch, spec)[LABEL])
    return [int(label) for batch in labels for label in batch.numpy().reshape(-1)]


def read_features(files: Sequence[str], graph: "TransformGraph") -> tuple[tf.Tensor, tf.Tensor]:
    """All transformed examples of a split: features, float32 [N, D], and labels, int64 [N]."""
    records = _records_of(tf.data.Dataset.from_tensor_slices(_matching(files)))
    batches = records.batch(1024).map(lambda b: tf.io.parse_example(b, graph.feature_spec))
    parts = [(batch[FEATURES], batch[LABEL]) for batch in batches]
    features, labels = zip(*parts, strict=True)
    return tf.concat(features, 0), tf.reshape(tf.concat(labels, 0), [-1])


def _matching(patterns: Sequence[str]) -> list[str]:
    return sorted(name for pattern in patterns for name in tf.io.gfile.glob(pattern))


def _records_of(files: tf.data.Dataset) -> tf.data.Dataset:
    return files.flat_map(lambda file: tf.data.TFRecordDataset(file, compression_type="GZIP"))
