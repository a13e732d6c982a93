"""Functions that write SavedModels and read serving directories, for tests of Pusher."""

import json
from pathlib import Path

import keras
import tensorflow as tf

from components.model_pusher.serving_directory import identity
from components.model_pusher.versions import list_versions
from trainer.decoding.limits import Limits
from trainer.serving.calibration import Calibration
from trainer.serving.export import ServedClassifier


def export_model(directory: Path) -> str:
    """Writes a small SavedModel; each call writes a model with a different `identity`."""
    module = tf.Module()
    module.weight = tf.Variable(tf.ones([100]))
    tf.saved_model.save(module, str(directory))
    return str(directory)


def read_identities(serving: Path) -> list[str]:
    """Returns the identities of all versions in the serving directory, sorted by version number."""
    return [identity(f"{serving}/{name}") for name in list_versions(str(serving)).values()]


def read_record(serving: Path, version: int) -> dict:
    """Reads the JSON file that Pusher wrote about a version."""
    return json.loads((serving / ".pushed" / f"{version}.json").read_text())


def export_classifier(
    directory: Path,
    height: int = 16,
    width: int = 24,
    kind: type[ServedClassifier] = ServedClassifier,
) -> str:
    """Exports a small classifier with the three signatures that Trainer exports."""
    head = keras.layers.Dense(3)
    head.build([None, 3])
    kind(
        to_features=lambda images: tf.reduce_mean(images, [1, 2]),
        head=head,
        backbone=tf.Module(),
        classes=["daisy", "roses", "tulips"],
        image_shape=(height, width),
        limits=Limits(),
        calibration=Calibration(),
    ).save(str(directory))
    return str(directory)
