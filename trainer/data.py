"""The Trainer's input pipeline: record files -> batches of (inputs, label)."""

import tensorflow as tf

from trainer.preprocessing import FEATURES, IMAGE, LABEL, PIXELS
from trainer.transform_graph import TransformGraph

# Encoded images or features, never decoded pixels: a few hundred MB at most.
_SHUFFLE_BUFFER = 4096


def make_dataset(
    file_patterns: list[str],
    graph: TransformGraph,
    *,
    tune: str,
    batch_size: int,
    shuffle_seed: int | None = None,
) -> tf.data.Dataset:
    """Batches of one split.

    Args:
      file_patterns: gzipped TFRecords: raw examples for tune "full", transformed for "head".
      graph: turns encoded images into pixels.
      tune: "full" or "head".
      batch_size: images in a batch; the last one may be smaller.
      shuffle_seed: reshuffles at every epoch, from this seed; None keeps the order.

    Returns:
      (float32 [B, H, W, 3] in [-1, 1], int64 [B]), or (float32 [B, D], int64 [B]) for a head.
    """
    files = sorted(name for pattern in file_patterns for name in tf.io.gfile.glob(pattern))
    records = tf.data.TFRecordDataset(files, compression_type="GZIP")
    if shuffle_seed is not None:
        records = records.shuffle(_SHUFFLE_BUFFER, seed=shuffle_seed)
    batches = records.batch(batch_size)
    parse = _parse_features if tune == "head" else _parse_images
    parsed = batches.map(lambda b: parse(b, graph), num_parallel_calls=tf.data.AUTOTUNE)
    return parsed.prefetch(tf.data.AUTOTUNE)


def _parse_images(examples: tf.Tensor, graph: TransformGraph) -> tuple[tf.Tensor, tf.Tensor]:
    parsed = tf.io.parse_example(
        examples,
        {
            IMAGE: tf.io.FixedLenFeature([], tf.string),
            LABEL: tf.io.FixedLenFeature([], tf.int64),
        },
    )
    return graph(parsed[IMAGE], PIXELS), parsed[LABEL]


def _parse_features(examples: tf.Tensor, graph: TransformGraph) -> tuple[tf.Tensor, tf.Tensor]:
    parsed = tf.io.parse_example(examples, graph.feature_spec)
    return parsed[FEATURES], parsed[LABEL]
