"""Provides the features of all images of the examples."""

import itertools
from collections.abc import Iterator, Sequence

import numpy as np
import tensorflow as tf

from components.examples import read_images, read_records
from trainer.preprocessing import CHUNK, FEATURES, IMAGE_HASH, FrozenBackbone, hash_images


def compute_features(
    splits: Sequence[str], transformed: Sequence[str], backbone: str, input_range: str
) -> np.ndarray:
    """Returns the features of all images, float32 [N, D], in the order in which they are read.

    Features that Transform has computed are read from its examples, and the backbone computes the
    missing features: with `--tune head`, the features of the test split, which Transform does not
    read; with `--tune full`, all features.

    Args:
      splits: URIs of the splits of ImageExampleGen's examples.
      transformed: URIs of the splits of Transform's examples; may be empty.
      backbone: directory of the backbone's SavedModel.
      input_range: the range of the backbone's pixels, see `backbones.input_range`.
    """
    known = dict(_read_features(transformed))
    run: FrozenBackbone | None = None
    rows: list[np.ndarray] = []
    images = (example.image for split in splits for example in read_images(split))
    while batch := list(itertools.islice(images, CHUNK)):
        found = [known.get(image_hash) for image_hash in hash_images(batch).numpy().tolist()]
        missing = [place for place, row in enumerate(found) if row is None]
        if missing:
            run = run or FrozenBackbone(backbone, input_range)
            computed = run.from_bytes(tf.constant([batch[place] for place in missing])).numpy()
            for place, row in zip(missing, computed, strict=True):
                found[place] = row
        rows.extend(row for row in found if row is not None)
    return np.stack(rows)


def _read_features(splits: Sequence[str]) -> Iterator[tuple[int, np.ndarray]]:
    """Yields hash and features of each image of Transform's examples."""
    for split in splits:
        for record in read_records(split):
            values = tf.train.Example.FromString(record).features.feature
            (image_hash,) = values[IMAGE_HASH].int64_list.value
            yield image_hash, np.array(values[FEATURES].float_list.value, np.float32)
