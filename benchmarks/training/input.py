"""Measures the Trainer's input pipeline, and plain loops that decode, resize and scale images."""

import dataclasses
import statistics
import time
from collections.abc import Sequence

import tensorflow as tf

from benchmarks.training.material import Material
from trainer.decoding.jpeg import DCT_METHOD
from trainer.input.augmentation import Augmentation
from trainer.preprocessing import value_range


@dataclasses.dataclass(frozen=True)
class Rates:
    """Images per second, and per CPU second (user and system, all threads), in each round."""

    wall: Sequence[float]
    cpu: Sequence[float]

    def ratios_to(self, other: "Rates") -> tuple[float, float]:
        """Returns the medians, over the rounds, of `wall / other.wall` and of `cpu / other.cpu`."""
        pairs = ((self.wall, other.wall), (self.cpu, other.cpu))
        wall, cpu = (statistics.median(a / b for a, b in zip(*pair, strict=True)) for pair in pairs)
        return wall, cpu


def measure_input(
    material: Material, augmentation: Augmentation, batch_size: int, rounds: int
) -> dict[str, Rates]:
    """Measures input pipelines alternately, one epoch per round; returns their rates by name.

    In the result, "plain" is the Trainer's input pipeline without augmentation, and "augmented" is
    this pipeline with `augmentation`. "bare" is a decoding loop with several threads, and "one
    thread" is a decoding loop with one thread.

    Each measurement creates a new iterator, and reads a few batches as a warm-up before it starts
    the clock.
    """
    datasets = {
        "plain": material.train(Augmentation()).batches(batch_size),
        "augmented": material.train(augmentation).batches(batch_size),
        "bare": _bare_loop(material, batch_size, tf.data.AUTOTUNE),
        "one thread": _bare_loop(material, batch_size, None),
    }
    turns = [
        {name: _rates(dataset, material.images, batch_size) for name, dataset in datasets.items()}
        for _ in range(rounds)
    ]
    return {
        name: Rates([turn[name][0] for turn in turns], [turn[name][1] for turn in turns])
        for name in datasets
    }


def _bare_loop(material: Material, batch_size: int, parallel_calls: int | None) -> tf.data.Dataset:
    """Returns batches of pixels, float32 in [-1, 1], from encoded images in memory."""
    height, width = material.shapes.height, material.shapes.width

    def decode(encoded: tf.Tensor) -> tf.Tensor:
        image = tf.io.decode_jpeg(encoded, channels=3, dct_method=DCT_METHOD)
        return value_range(tf.image.resize(image, [height, width]))

    dataset = tf.data.Dataset.from_tensor_slices(material.encoded()).repeat()
    dataset = dataset.map(decode, num_parallel_calls=parallel_calls)
    dataset = dataset.batch(batch_size, drop_remainder=True)
    if parallel_calls is None:
        options = tf.data.Options()
        options.threading.private_threadpool_size = 1
        options.threading.max_intra_op_parallelism = 1
        return dataset.with_options(options)
    return dataset.prefetch(tf.data.AUTOTUNE)


def _rates(dataset: tf.data.Dataset, images: int, batch_size: int) -> tuple[float, float]:
    batches = iter(dataset)
    warm_up = max(images // 4 // batch_size, 1)
    for _ in range(warm_up):
        next(batches)
    count = max(images // batch_size, 1)
    wall, cpu = time.perf_counter(), time.process_time()
    for _ in range(count):
        next(batches)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    return count * batch_size / wall, count * batch_size / cpu
