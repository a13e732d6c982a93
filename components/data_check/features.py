"""Reads or computes the feature vectors of images."""

from collections.abc import Iterator, Sequence

import numpy as np
import tensorflow as tf

from components.examples import read_records
from trainer.preprocessing import FEATURES, IMAGE_HASH, FrozenBackbone, hash_images


class FeatureReader:
    """Reads the features of images from Transform's output, or computes them with the backbone.

    With `--tune head`, Transform's output contains the features of the train and validation images,
    so this class computes only the features of the test images. With `--tune full`, Transform
    computes no features, so this class computes the features of all images.
    """

    def __init__(self, transformed: Sequence[str], backbone: str, input_range: str) -> None:
        """
        Args:
          transformed: URIs of the splits of Transform's output; empty if there is no such output.
          backbone: directory of the backbone's SavedModel.
          input_range: the range of pixel values that the backbone expects, see
            `backbones.input_range`.
        """
        self._known = dict(_read_features(transformed))
        self._backbone = backbone
        self._input_range = input_range
        self._frozen: FrozenBackbone | None = None

    def read(self, images: Sequence[bytes]) -> np.ndarray:
        """Returns the features of 1 to `CHUNK` encoded images, float32 [N, D]."""
        found = [self._known.get(image_hash) for image_hash in hash_images(images).numpy().tolist()]
        missing = [place for place, row in enumerate(found) if row is None]
        if missing:
            self._frozen = self._frozen or FrozenBackbone(self._backbone, self._input_range)
            batch = tf.constant([images[place] for place in missing])
            for place, row in zip(missing, self._frozen.from_bytes(batch).numpy(), strict=True):
                found[place] = row
        return np.stack([row for row in found if row is not None])


def _read_features(splits: Sequence[str]) -> Iterator[tuple[int, np.ndarray]]:
    """Yields, for each image in Transform's output, the image's hash and the image's features."""
    for split in splits:
        for record in read_records(split):
            values = tf.train.Example.FromString(record).features.feature
            (image_hash,) = values[IMAGE_HASH].int64_list.value
            yield image_hash, np.array(values[FEATURES].float_list.value, np.float32)
