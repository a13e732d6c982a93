"""Writes a backbone and a shard of tf.Examples for the benchmarks of the Trainer."""

import dataclasses
import io
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import PIL.Image
import tensorflow as tf

from backbones.augreg.architecture import Precision
from backbones.augreg.convert import convert
from backbones.augreg.initialization import random_arrays
from backbones.catalogue import MODELS
from backbones.contract import Shapes, load_backbone, read_shapes
from trainer.input.augmentation import Augmentation
from trainer.input.dataset import TrainingData, validation_batches
from trainer.model.classifier import make_classifier
from trainer.preprocessing import decode_images

CLASSES = 5
_SIZE = (500, 375)  # width and height of generated images, about the size of those of tf_flowers
_DISTINCT = 64  # the largest number of distinct generated images


@dataclasses.dataclass(frozen=True)
class Material:
    """A folder with a backbone (a SavedModel) and a shard of images (a TFRecord file).

    Attributes:
      folder: the folder, with the directory `backbone` and the file `shard.gz`.
      images: the number of examples in the shard.
    """

    folder: Path
    images: int

    @property
    def shapes(self) -> Shapes:
        """The shapes of the backbone's input images and output features."""
        return read_shapes(self.folder / "backbone")

    def make_model(self):
        """Makes a new classifier with the backbone."""
        return make_classifier(load_backbone(self.folder / "backbone"), self.shapes, CLASSES)

    def encoded(self) -> list[bytes]:
        """Returns the encoded images of the shard."""
        spec = {"image": tf.io.FixedLenFeature([], tf.string)}
        records = tf.data.TFRecordDataset(str(self.folder / "shard.gz"), compression_type="GZIP")
        return [tf.io.parse_single_example(r, spec)["image"].numpy() for r in records]

    def train(self, augmentation: Augmentation, copies: int = 1) -> TrainingData:
        """Returns training data that contain the shard `copies` times, as symbolic links."""
        split = self.folder / f"train-{copies}"
        split.mkdir(exist_ok=True)
        for copy in range(copies):
            if not (split / f"{copy:04}.gz").exists():
                (split / f"{copy:04}.gz").symlink_to(self.folder / "shard.gz")
        return TrainingData(
            files=[str(split / "*.gz")],
            # Count all images in the first class: the benchmarks train without class weights, so
            # only the sum of the class counts matters.
            class_counts=[copies * self.images, *[0] * (CLASSES - 1)],
            seed=0,
            tune="full",
            graph=None,
            image_shape=(self.shapes.height, self.shapes.width),
            augmentation=augmentation,
        )

    def validation(self, batch_size: int) -> tf.data.Dataset:
        """Returns one validation batch.

        In a pipeline, Transform's graph calls `decode_images` to decode the validation images. This
        benchmark does not run Transform, so it calls `decode_images` itself.
        """
        shapes = self.shapes
        batches = validation_batches(
            [str(self.folder / "shard.gz")],
            lambda encoded, _: decode_images(encoded, shapes.height, shapes.width),
            tune="full",
            classes=CLASSES,
            batch_size=batch_size,
        )
        return batches.take(1)


def make_material(
    folder: Path,
    model: str,
    images: int,
    data_dir: Path | None,
    *,
    precision: Precision = "float32",
) -> Material:
    """Writes a backbone and a shard of images into `folder`.

    Args:
      folder: an empty folder.
      model: the name of a feature extractor in the catalogue; its weights are random.
      images: the number of examples. If there are fewer distinct images than examples, the examples
        repeat images.
      data_dir: a folder with one folder of images for each class; None for generated images.
      precision: the precision of the backbone's matrix products.
    """
    arrays = random_arrays(MODELS[model].architecture, seed=0)
    convert(arrays, folder / "backbone", precision=precision)
    distinct = list(_generate(min(images, _DISTINCT)) if data_dir is None else _read(data_dir))
    # Write a gzip file with compression level 0, as ImageExampleGen does.
    options = tf.io.TFRecordOptions("GZIP", compression_level=0)
    with tf.io.TFRecordWriter(str(folder / "shard.gz"), options) as writer:
        for index in range(images):
            writer.write(_example(distinct[index % len(distinct)], index % CLASSES))
    return Material(folder, images)


def cores() -> int:
    """Returns the number of processor cores that this process may use."""
    return len(os.sched_getaffinity(0))


def _read(data_dir: Path) -> Iterator[bytes]:
    for path in sorted(data_dir.glob("*/*")):
        encoded = path.read_bytes()
        if encoded.startswith(b"\xff\xd8"):  # the decoder of the plain loop expects JPEGs
            yield encoded


def _generate(count: int) -> Iterator[bytes]:
    """Generates JPEGs of smoothed noise at three scales, about 65 kB each."""
    generator = np.random.default_rng(0)
    width, height = _SIZE
    for _ in range(count):
        image = np.zeros([height, width, 3])
        for scale, weight in ((60, 0.6), (12, 0.25), (3, 0.15)):
            noise = generator.integers(0, 256, [height // scale, width // scale, 3], np.uint8)
            smooth = PIL.Image.fromarray(noise).resize(_SIZE, PIL.Image.Resampling.BICUBIC)
            image += weight * np.asarray(smooth)
        file = io.BytesIO()
        PIL.Image.fromarray(image.astype(np.uint8)).save(file, "JPEG", quality=92)
        yield file.getvalue()


def _example(encoded: bytes, label: int) -> bytes:
    image = tf.train.Feature(bytes_list=tf.train.BytesList(value=[encoded]))
    label = tf.train.Feature(int64_list=tf.train.Int64List(value=[label]))
    features = tf.train.Features(feature={"image": image, "label": label})
    return tf.train.Example(features=features).SerializeToString()
