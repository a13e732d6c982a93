"""Data and arguments for small trainings: a head on features, or a tiny ViT on images."""

import dataclasses
import json
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from backbones.contract import load_backbone, read_shapes
from common.example_counts import BY_LABEL, COUNTS_FILE
from trainer.input.augmentation import Augmentation
from trainer.input.dataset import TrainingData, validation_batches
from trainer.model.classifier import make_classifier, make_probe
from trainer.preprocessing import FEATURES, LABEL, decode_images
from trainer.training.hyperparameters import Hyperparameters

CLASSES = 3


class Graph:
    """A stand-in for the transform graph: parses features, or decodes images to 16 x 16 pixels."""

    feature_spec = {  # noqa: RUF012
        FEATURES: tf.io.FixedLenFeature([4], tf.float32),
        LABEL: tf.io.FixedLenFeature([], tf.int64),
    }

    def __call__(self, encoded, output):
        return decode_images(encoded, 16, 16)


def feature(value) -> tf.train.Feature:
    if isinstance(value, bytes):
        return tf.train.Feature(bytes_list=tf.train.BytesList(value=[value]))
    if isinstance(value, np.ndarray):
        return tf.train.Feature(float_list=tf.train.FloatList(value=value))
    return tf.train.Feature(int64_list=tf.train.Int64List(value=[value]))


def write_records(path: Path, examples) -> None:
    """Writes dictionaries as tf.Examples to a gzipped record file."""
    with tf.io.TFRecordWriter(str(path), tf.io.TFRecordOptions("GZIP")) as writer:
        for example in examples:
            features = tf.train.Features(feature={k: feature(v) for k, v in example.items()})
            writer.write(tf.train.Example(features=features).SerializeToString())


def write_features(folder: Path, count: int = 50) -> None:
    """Writes features of three classes: two shards for `train` and one for `validation`."""
    generator = np.random.default_rng(0)
    labels = generator.integers(CLASSES, size=count)
    features = generator.normal(size=[count, 4]).astype(np.float32) + np.eye(4)[labels]
    examples = [
        {FEATURES: row.astype(np.float32), LABEL: int(label)}
        for row, label in zip(features, labels, strict=True)
    ]
    write_records(folder / "train-0", examples[: count // 2])
    write_records(folder / "train-1", examples[count // 2 :])
    write_records(folder / "validation", examples[:13])


def write_images(folder: Path, count: int = 24) -> None:
    """Writes noise images in one colour per class, for the splits `train` and `validation`."""
    generator = np.random.default_rng(0)
    examples = []
    for index in range(count):
        label = index % CLASSES
        pixels = generator.integers(0, 128, [20, 24, 3], np.uint8)
        pixels[..., label] += 100
        encoded = tf.io.encode_jpeg(pixels).numpy()
        examples.append({"image": encoded, LABEL: label})
    write_records(folder / "train-0", examples)
    write_records(folder / "validation", examples[:7])


@dataclasses.dataclass
class Task:
    """The arguments of a training except the model, which must be created in the scope of a
    strategy."""

    folder: Path
    hyperparameters: Hyperparameters
    tune: str = "head"
    backbone: Path | None = None
    augmentation: Augmentation = dataclasses.field(default_factory=Augmentation)

    @property
    def train(self) -> TrainingData:
        files = [str(self.folder / "train-*")]
        return TrainingData(
            files=files,
            class_counts=count_classes(self.folder),
            seed=self.hyperparameters.seed,
            tune=self.tune,
            graph=Graph(),
            image_shape=(16, 16),
            augmentation=self.augmentation,
        )

    def validation(self, worker: int = 0, workers: int = 1) -> tf.data.Dataset:
        return validation_batches(
            [str(self.folder / "validation")],
            Graph(),
            tune=self.tune,
            classes=CLASSES,
            batch_size=5,
            worker=worker,
            workers=workers,
        )

    def make_model(self) -> keras.Model:
        keras.utils.set_random_seed(self.hyperparameters.seed)
        if self.tune == "head":
            return make_probe(4, CLASSES)
        return make_classifier(load_backbone(self.backbone), read_shapes(self.backbone), CLASSES)


def count_classes(folder: Path) -> list[int]:
    """Returns the number of training examples of each class."""
    spec = {LABEL: tf.io.FixedLenFeature([], tf.int64)}
    files = [str(file) for file in folder.glob("train-*")]
    records = list(tf.data.TFRecordDataset(files, compression_type="GZIP"))
    labels = tf.io.parse_example(records, spec)[LABEL]
    return np.bincount(labels, minlength=CLASSES).tolist()


def write_counts(folder: Path) -> None:
    """Writes counts.json as ingestion does, with the number of training examples in `folder`."""
    counts = {str(label): count for label, count in enumerate(count_classes(folder))}
    (folder.parent / COUNTS_FILE).write_text(json.dumps({BY_LABEL: {"train": counts}}))
