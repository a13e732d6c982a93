"""Checks whether a backbone works better with another pixel range than the configured one."""

import math
from collections.abc import Callable, Sequence

import numpy as np
import tensorflow as tf

from backbones.contract import call_backbone, load_shared_backbone, read_shapes
from backbones.input_range import INPUT_RANGES, to_input_range
from trainer.preprocessing import IMAGE, LABEL, decode_images

MOST_IMAGES = 200
_BATCH = 8
# An image counts as correct if its nearest neighbour has the same class. The user gets a warning
# only if another range gives significantly more correct images than the configured range (one-sided
# McNemar's test, 5 %), and if the share of correct images is larger by at least `_MIN_ADVANTAGE`.
_CRITICAL_VALUE = 1.645
_MIN_ADVANTAGE = 0.05

Labelled = tuple[Sequence[bytes], np.ndarray]


def warn_of_input_range(backbone: str, files: Sequence[str], input_range: str) -> str:
    """Compares the pixel ranges by how well features separate the classes of some training images.

    Args:
      backbone: directory of the backbone's SavedModel.
      files: gzipped TFRecords of training examples.
      input_range: the configured range.

    Returns:
      The text of the warning; empty if no other range is clearly better.
    """
    images, labels = read_balanced_sample(files)
    if len(set(labels)) < 2:
        return ""
    right = {
        name: nearest_has_same_class(features, labels)
        for name, features in _features(backbone, images)
    }
    best = max(right, key=lambda name: right[name].mean())
    if not is_clearly_better(right[best], right[input_range]):
        return ""
    shares = ", ".join(f"{name}: {found.mean():.3f}" for name, found in right.items())
    return (
        f"backbone.input_range={input_range} is probably not the range that the backbone was "
        f"trained with: of {len(labels)} training images, these shares have a nearest neighbour of "
        f"their own class: {shares}. Try --set backbone.input_range={best}"
    )


def read_balanced_sample(files: Sequence[str]) -> Labelled:
    """Returns up to `MOST_IMAGES` images and their labels, about equally many of each class."""
    spec = {IMAGE: tf.io.FixedLenFeature([], tf.string), LABEL: tf.io.FixedLenFeature([], tf.int64)}
    label_of = {LABEL: spec[LABEL]}
    records = tf.data.TFRecordDataset(sorted(files), "GZIP", num_parallel_reads=None)
    by_class: dict[int, list[int]] = {}
    for index, record in enumerate(records):
        label = int(tf.io.parse_single_example(record, label_of)[LABEL])
        by_class.setdefault(label, []).append(index)
    taken: list[int] = []
    for rank in range(max(map(len, by_class.values()), default=0)):
        taken += [indices[rank] for indices in by_class.values() if rank < len(indices)]
    wanted = set(taken[:MOST_IMAGES])
    parsed = [
        tf.io.parse_single_example(record, spec)
        for index, record in enumerate(records)
        if index in wanted
    ]
    return [p[IMAGE].numpy() for p in parsed], np.array([int(p[LABEL]) for p in parsed])


def _features(backbone: str, images: Sequence[bytes]) -> list[tuple[str, np.ndarray]]:
    model, shapes = load_shared_backbone(backbone), read_shapes(backbone)

    def in_range(name: str) -> Callable[[tf.Tensor], tf.Tensor]:
        return tf.function(
            lambda encoded: call_backbone(
                model,
                to_input_range(decode_images(encoded, shapes.height, shapes.width), name),
            ),
            input_signature=[tf.TensorSpec([None], tf.string)],
            autograph=False,
        )

    found = []
    for name in INPUT_RANGES:
        function = in_range(name)
        starts = range(0, len(images), _BATCH)
        parts = [function(tf.constant(images[i : i + _BATCH])).numpy() for i in starts]
        found.append((name, np.concatenate(parts)))
    return found


def nearest_has_same_class(features: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Returns for each image whether its nearest neighbour has the same class, bool [N].

    The function subtracts the mean of all feature vectors, and then computes cosine distances.
    """
    centred = features - features.mean(0)
    unit = centred / np.maximum(np.linalg.norm(centred, axis=1, keepdims=True), 1e-12)
    likeness = unit @ unit.T
    np.fill_diagonal(likeness, -np.inf)
    return labels[likeness.argmax(1)] == labels


def is_clearly_better(one: np.ndarray, other: np.ndarray) -> bool:
    """Whether `one` has clearly more True values than `other`; both are bool [N], one per image."""
    gained, lost = (one & ~other).sum(), (other & ~one).sum()
    difference = gained - lost
    is_significant = difference >= _CRITICAL_VALUE * math.sqrt(max(gained + lost, 1))
    return bool(is_significant and difference >= _MIN_ADVANTAGE * len(one))
