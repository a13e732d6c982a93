"""Trains and exports a small model of each kind in `KINDS`, with Trainer's own user function.

    python -m tests.trainer.exporting_process FOLDER

For each NAME in `KINDS`, the command writes the exported model to FOLDER/exported/NAME. The command
also writes the backbones to FOLDER/backbones, and the transform graphs.
"""

import dataclasses
import os
import signal
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import tensorflow as tf
import tensorflow_transform as tft
import tensorflow_transform.beam as tft_beam
from tensorflow_transform.tf_metadata import schema_utils

from backbones.augreg.convert import convert
from backbones.augreg.initialization import random_arrays
from tests.conftest import TINY
from tests.trainer.collection_model import write_collection_model
from tests.trainer.small_training import write_counts, write_images, write_records
from tests.trainer.training_inputs import make_training_inputs
from trainer.decoding.limits import Limits
from trainer.input.augmentation import Augmentation
from trainer.input.transform_graph import TransformGraph
from trainer.preprocessing import (
    FEATURES,
    IMAGE,
    IMAGE_HASH,
    LABEL,
    hash_images,
    preprocessing_fn,
)
from trainer.train import run_fn
from trainer.training.hyperparameters import Hyperparameters
from trainer.training.preemption import PreemptedError
from trainer.training.run_label import RunLabel
from trainer.training.settings import (
    ServingSettings,
    TrainerSettings,
    TrainingSettings,
)
from trainer.training.train_step import Stepper
from trainer.transform_settings import TransformSettings

LIMITS = Limits(max_side=64, max_pixels=10**6)
CLASSES = ["red", "green", "blue"]
HYBRID = dataclasses.replace(TINY, patch_size=1, resnet_blocks=(1,), width_factor=0.5)

# For each kind of model: the backbone, `--tune`, and hyperparameters. `KINDS` contains no
# MobileNet, because the tests in tests/end_to_end train MobileNets.
KINDS = {
    # `export` interrupts the training of this model, and resumes it.
    "full_plain": ("plain", "full", {"strategy": "mirrored", "ema": 0.9, "jit_compile": True}),
    "full_collection": ("collection", "full", {"keep": "best"}),
    "full_bfloat16": ("bfloat16", "full", {"precision": "mixed_bfloat16", "head": "linear_probe"}),
    "head_hybrid": ("hybrid", "head", {"head": "linear_probe"}),
    "head_collection": ("collection", "head", {"ema": 0.9}),
    "head_bfloat16": ("bfloat16", "head", {}),
}
RESUMED = "full_plain"


def graph_directory(folder: Path, name: str) -> Path:
    """Returns the directory of the transform graph for the entry `name` of `KINDS`."""
    backbone, tune, _ = KINDS[name]
    return folder / f"graph-{backbone}-{tune}"


def write_backbones(folder: Path) -> None:
    """Writes backbones with random weights."""
    convert(random_arrays(TINY, seed=0), folder / "plain")
    convert(random_arrays(TINY, seed=0), folder / "bfloat16", precision="mixed_bfloat16")
    convert(random_arrays(HYBRID, seed=0), folder / "hybrid")
    write_collection_model(TINY, folder / "collection")


def write_transform_graph(backbone: Path, tune: str, directory: Path) -> None:
    """Writes the transform graph of `preprocessing_fn` without reading any data."""
    spec = {
        IMAGE: tf.io.FixedLenFeature([], tf.string),
        LABEL: tf.io.FixedLenFeature([], tf.int64),
    }
    metadata = tft.DatasetMetadata(schema_utils.schema_from_feature_spec(spec))
    settings = TransformSettings(tune=tune, code_fingerprint="", backbone=str(backbone))
    config = dataclasses.asdict(settings)
    with tft_beam.Context(temp_dir=tempfile.mkdtemp(dir=directory.parent)):
        transform_fn = ((), metadata) | tft_beam.AnalyzeDataset(
            lambda inputs: preprocessing_fn(inputs, config)
        )
        transform_fn | tft_beam.WriteTransformFn(str(directory))


def write_features(images: Path, graph: TransformGraph, folder: Path) -> None:
    """Writes the transformed examples of all splits, with the features that `graph` computes."""
    folder.mkdir()
    spec = {IMAGE: tf.io.FixedLenFeature([], tf.string), LABEL: tf.io.FixedLenFeature([], tf.int64)}
    for file in sorted(images.iterdir()):
        records = list(tf.data.TFRecordDataset(str(file), "GZIP"))
        parsed = tf.io.parse_example(records, spec)
        features = graph(parsed[IMAGE], FEATURES).numpy()
        hashes = hash_images(parsed[IMAGE]).numpy()
        examples = [
            {FEATURES: row, LABEL: int(label), IMAGE_HASH: int(image_hash)}
            for row, label, image_hash in zip(features, parsed[LABEL].numpy(), hashes, strict=True)
        ]
        write_records(folder / file.name, examples)


@contextmanager
def terminated_after(steps: int) -> Iterator[None]:
    """Sends SIGTERM to this process before training step number `steps`."""
    step, done = Stepper.step, []

    def counting_step(self, parts, **options):
        done.append(None)
        if len(done) == steps:
            os.kill(os.getpid(), signal.SIGTERM)
        return step(self, parts, **options)

    Stepper.step = counting_step
    try:
        yield
    finally:
        Stepper.step = step


def export(folder: Path, name: str) -> None:
    """Runs Trainer's user function for the kind `name`."""
    backbone, tune, options = KINDS[name]
    graph = graph_directory(folder, name)
    records = folder / "images"
    write_transform_graph(folder / "backbones" / backbone, tune, graph)
    if tune == "head":
        records = folder / f"features-{backbone}"
        write_features(folder / "images", TransformGraph(str(graph)), records)
    # In the first step, the weights of the head are zero, so the gradient of the backbone is zero.
    # Further steps are necessary to change the backbone.
    given = {"strategy": "single", "steps": 3, "batch_size": 8, "learning_rate": 0.1} | options
    settings = TrainerSettings(
        training=TrainingSettings(
            tune=tune,
            classes=tuple(CLASSES),
            hyperparameters=Hyperparameters(**given),
            augmentation=Augmentation(),
        ),
        serving=ServingSettings(limits=LIMITS, precision=None),
        inputs=make_training_inputs(backbone),
        label=RunLabel(name=name),
        checkpoints=str(folder / f"checkpoints-{name}"),
        code_fingerprint="4",
    )
    arguments = SimpleNamespace(
        custom_config=dataclasses.asdict(settings),
        train_files=[str(records / "train-*")],
        eval_files=[str(records / "validation")],
        transform_graph_path=str(graph),
        base_model=str(folder / "backbones" / backbone),
        model_run_dir=str(folder / f"log-{name}"),
        serving_model_dir=str(folder / "exported" / name),
        hyperparameters=None,
    )
    if name == RESUMED:
        with terminated_after(2):
            try:
                run_fn(arguments)
            except PreemptedError:
                assert not Path(arguments.serving_model_dir).exists()
            else:
                raise AssertionError("the training was not interrupted")
    run_fn(arguments)


def main(folder: Path) -> None:
    (cpu,) = tf.config.list_physical_devices("CPU")
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
    (folder / "images").mkdir()
    write_images(folder / "images")
    write_counts(folder / "images")
    write_backbones(folder / "backbones")
    for name in KINDS:
        export(folder, name)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
