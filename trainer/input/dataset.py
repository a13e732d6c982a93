"""The Trainer's input pipeline, from record files to batches of (inputs, labels)."""

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import tensorflow as tf

from trainer.input.augment.image import augment_image
from trainer.input.augment.mix import mix
from trainer.input.augmentation import Augmentation
from trainer.preprocessing import FEATURES, IMAGE, LABEL, PIXELS

if TYPE_CHECKING:  # not at run time, because training must work without TensorFlow Transform
    from trainer.input.transform_graph import TransformGraph

# The size of the shuffle buffer, in records. Records contain encoded images or features, and no
# decoded pixels, so the buffer takes about 100 MB for photographs.
_SHUFFLE_BUFFER = 1024
# `_INTERLEAVED` files are read in parallel; `_TURN` records of a file are followed by `_TURN`
# records of the next file.
_INTERLEAVED, _TURN = 8, 4
# The smallest number of files for each worker with which the files are divided among the workers.
# With fewer files, or if the data are small (see `TrainingData.is_small`), every worker reads all
# files and skips the examples of the other workers. Dividing few files among the workers would give
# some workers many more examples than others.
_FILES_PER_WORKER = 4
# AutoGraph would parse this module anew to rewrite each function of a dataset. No function needs
# AutoGraph, because none has a Python `if` or `for` over a tensor.
_without_autograph = tf.autograph.experimental.do_not_convert

_ENCODED = {IMAGE: tf.io.FixedLenFeature([], tf.string), LABEL: tf.io.FixedLenFeature([], tf.int64)}


@dataclasses.dataclass(frozen=True, kw_only=True)
class TrainingData:
    """The training split, repeated without end, in an order that only the seed determines.

    Training can resume from any position, on any number of devices, because the seed alone
    determines which image comes at each position, and how the image is augmented. If the number of
    workers changes, a resumed training differs from an uninterrupted training in two cases:

    - MixUp and CutMix mix only images that the same worker reads, so the number of workers
      determines which images can be mixed.
    - If the data are not small (see `is_small`), and there are at least `_FILES_PER_WORKER` files
      for each worker, the files are divided among the workers anew in each epoch. In an epoch, a
      worker whose files contain fewer images than those of other workers reads a few images twice,
      and a worker whose files contain more images leaves a few images out.

    Attributes:
      files: gzipped TFRecord files, which contain raw examples for tune "full", and transformed
        examples for tune "head".
      class_counts: the number of examples of each class.
      seed: the seed for the order of the images and for their augmentation.
      tune: "full" or "head".
      graph: the transform graph, which says how transformed examples are parsed.
      image_shape: height and width of the backbone's input images, H and W.
      augmentation: the augmentation of the images; not used for tune "head".
    """

    files: Sequence[str]
    class_counts: Sequence[int]
    seed: int
    tune: str
    graph: "TransformGraph"
    image_shape: tuple[int, int]
    augmentation: Augmentation

    @property
    def examples(self) -> int:
        """Number of training examples."""
        return sum(self.class_counts)

    @property
    def is_small(self) -> bool:
        """Whether the shuffle buffer, which is in memory, can hold all records."""
        return self.examples <= _SHUFFLE_BUFFER

    @property
    def classes(self) -> int:
        """Number of classes."""
        return len(self.class_counts)

    @_without_autograph
    def batches(
        self, batch_size: int, *, parts: int = 1, start: int = 0, worker: int = 0, workers: int = 1
    ) -> tf.data.Dataset:
        """Returns the batches of one worker.

        The devices of the worker take the batches in turn.

        Args:
          batch_size: the number of images in the batch of one device.
          parts: the number of batches that the worker uses in one training step. MixUp and CutMix
            may mix images from different batches of the same step.
          start: the number of examples that earlier training steps have used on all workers
            together; the batches begin with the next examples.
          worker: the index of the worker. Of each group of `workers` successive examples, each
            worker takes one.
          workers: the number of workers.

        Returns:
          Pairs of inputs and labels. Inputs are float32 [B, H, W, 3] in [-1, 1], or [B, D] for tune
          "head"; labels are float32 [B, C], the probability of each class, which MixUp and CutMix
          may have blended.
        """
        records = self._records(start, worker, workers)
        if self.augmentation.mixup or self.augmentation.cutmix:
            examples = records.map(self._parse, num_parallel_calls=tf.data.AUTOTUNE)
            share = parts * batch_size
            whole = examples.batch(share, drop_remainder=True)
            batches = whole.map(
                # The seed of `mix` is computed from the number of the training step, so all workers
                # draw the same random numbers.
                lambda positions, *batch: self._mix(positions[0] // (share * workers), *batch),
                num_parallel_calls=2,  # only 2, because each call holds a batch of pixels
            )
            if parts > 1:
                batches = batches.unbatch().batch(batch_size, drop_remainder=True)
        else:
            # The same `map` also drops the position, because a second `map` would take additional
            # time for every image.
            examples = records.map(
                lambda position, record: self._parse(position, record)[1:],
                num_parallel_calls=tf.data.AUTOTUNE,
            )
            batches = examples.batch(batch_size, drop_remainder=True).map(
                lambda inputs, labels: (inputs, self._one_hot(labels))
            )
        return batches.prefetch(tf.data.AUTOTUNE)

    def _records(self, start: int, worker: int = 0, workers: int = 1) -> tf.data.Dataset:
        """Returns the records of one worker from position `start` on, as pairs (position, record).

        A position is the index of an example in the order of the repeated training split. A worker
        has the positions `worker`, `worker + workers`, and so on. The inner function `first_turn`
        returns the number of these positions before an epoch.
        """
        names = _list_files(self.files)
        files = tf.data.Dataset.from_tensor_slices(names)
        # If the shuffle buffer can hold all records, `cache` keeps the records in memory, so that
        # the files are read only in the first epoch.
        cached = _read_records(files).cache() if self.is_small else None
        if workers > 1 and (self.is_small or len(names) < _FILES_PER_WORKER * workers):
            return self._records(start).shard(workers, worker)

        def first_turn(epoch: Any) -> Any:
            return (epoch * self.examples - worker + workers - 1) // workers

        def read_epoch(epoch: tf.Tensor) -> tf.data.Dataset:
            # `flat_map` traces `read_epoch` into a separate graph, so `set_seed` changes only the
            # seed of that graph, and not TensorFlow's global seed. The seed must not be 0, because
            # `shuffle` would then use the symbolic tensor `epoch` in a Python condition, and fail.
            tf.random.set_seed(self.seed + 1)
            records = cached
            if records is None:
                shuffled = files.shuffle(len(names), seed=epoch, reshuffle_each_iteration=False)
                shuffled = shuffled.shard(workers, worker)
                records = _interleave_records(shuffled)
            records = records.shuffle(_SHUFFLE_BUFFER, seed=epoch)
            if workers == 1:
                return records
            return records.repeat().take(first_turn(epoch + 1) - first_turn(epoch))

        turn = (start - worker + workers - 1) // workers
        first = (worker + turn * workers) // self.examples
        records = tf.data.Dataset.counter(first).flat_map(read_epoch).enumerate(first_turn(first))
        records = records.skip(turn - first_turn(first))
        if workers == 1:
            return records
        return records.map(lambda turn, record: (worker + turn * workers, record))

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
        return position, inputs, parsed[LABEL]

    def _one_hot(self, labels: tf.Tensor) -> tf.Tensor:
        return tf.one_hot(labels, self.classes)

    def _mix(
        self, step: tf.Tensor, images: tf.Tensor, labels: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        # Negative, so that the seed differs from the seeds of images, which are positions.
        seed = self._seed(-1 - step)
        return mix(
            images,
            self._one_hot(labels),
            seed,
            mixup=self.augmentation.mixup,
            cutmix=self.augmentation.cutmix,
        )

    def _seed(self, position: tf.Tensor) -> tf.Tensor:
        return tf.stack([tf.constant(self.seed, tf.int64), position])


@_without_autograph
def validation_batches(
    files: Sequence[str],
    graph: "TransformGraph",
    *,
    tune: str,
    classes: int,
    batch_size: int,
    worker: int = 0,
    workers: int = 1,
) -> tf.data.Dataset:
    """Returns the batches of the validation split, each batch once and in a fixed order.

    Args:
      files: gzipped TFRecord files, which contain raw examples for tune "full", and transformed
        examples for tune "head".
      graph: the transform graph, which turns encoded images into pixels.
      tune: "full" or "head".
      classes: the number of classes.
      batch_size: the number of images in a batch; the last batch may be smaller.
      worker: the index of this worker. Of each group of `workers` successive examples, each worker
        takes one.
      workers: the number of workers.

    Returns:
      Pairs of inputs and labels, shaped as those of `TrainingData.batches`.
    """
    records = _read_records(tf.data.Dataset.from_tensor_slices(_list_files(files)))
    records = records.shard(workers, worker)

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


@_without_autograph
def read_features(files: Sequence[str], graph: "TransformGraph") -> tuple[np.ndarray, np.ndarray]:
    """Returns the features, float32 [N, D], and labels, int64 [N], of all transformed examples."""
    records = _read_records(tf.data.Dataset.from_tensor_slices(_list_files(files)))
    batches = records.batch(1024).map(lambda b: tf.io.parse_example(b, graph.feature_spec))
    parts = [(batch[FEATURES].numpy(), batch[LABEL].numpy()) for batch in batches]
    features, labels = zip(*parts, strict=True)
    return np.concatenate(features), np.concatenate(labels).reshape(-1)


def _list_files(patterns: Sequence[str]) -> list[str]:
    return sorted(name for pattern in patterns for name in tf.io.gfile.glob(pattern))


def _interleave_records(files: tf.data.Dataset) -> tf.data.Dataset:
    """Reads several files in parallel. The order of the records depends only on the order of the
    files.
    """
    return files.interleave(
        _read_records,
        cycle_length=_INTERLEAVED,
        block_length=_TURN,
        num_parallel_calls=tf.data.AUTOTUNE,
        deterministic=True,
    )


def _read_records(files: tf.Tensor | tf.data.Dataset) -> tf.data.Dataset:
    """Reads the records of a file, or of several files one after the other."""
    return tf.data.TFRecordDataset(files, compression_type="GZIP")
