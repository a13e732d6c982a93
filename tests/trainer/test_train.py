"""Tests of the directory of checkpoints; the training itself is mocked."""

import copy
import json
from contextlib import contextmanager
from types import SimpleNamespace

import pytest

from backbones.contract import Shapes
from common.custom_config import to_custom_config
from tests.trainer.training_inputs import make_training_inputs
from trainer import train
from trainer.decoding.limits import Limits
from trainer.input.augmentation import Augmentation
from trainer.training.checkpoint_lease import CheckpointDirectory
from trainer.training.hyperparameters import Hyperparameters
from trainer.training.loop import Fitted
from trainer.training.run_label import RunLabel
from trainer.training.settings import (
    ServingSettings,
    TrainerSettings,
    TrainingSettings,
)

CONFIG = json.loads(
    to_custom_config(
        TrainerSettings(
            training=TrainingSettings(
                tune="full",
                classes=("a", "b"),
                hyperparameters=Hyperparameters(),
                augmentation=Augmentation(),
            ),
            serving=ServingSettings(limits=Limits(), precision=None),
            inputs=make_training_inputs(),
            label=RunLabel(),
            checkpoints="/checkpoints",
            code_fingerprint="5",
        )
    )
)


class Checkpoints:
    def remove(self):
        pass


@pytest.fixture
def directory(monkeypatch, tmp_path):
    """Returns a function that returns the checkpoint directory of a training."""
    found = []

    def fit(job, strategy, checkpoints, log_dir, lease):
        found.append(checkpoints)
        return Fitted(None, None, Checkpoints())

    @contextmanager
    def lease_directory(preferred, strategy):
        yield CheckpointDirectory(preferred, None)

    monkeypatch.setattr(train, "lease_directory", lease_directory)
    monkeypatch.setattr(train, "TransformGraph", lambda directory: None)
    monkeypatch.setattr(train, "read_shapes", lambda directory: Shapes(16, 16, 4))
    monkeypatch.setattr(train.TrainingJob, "fit", fit)
    monkeypatch.setattr(train.TrainingJob, "export", lambda *arguments: None)

    def directory(config, uri="x"):
        train.run_fn(
            SimpleNamespace(
                custom_config=config,
                train_files=[f"{uri}/train-*"],
                eval_files=[f"{uri}/validation-*"],
                transform_graph_path=f"{uri}/graph",
                base_model=f"{uri}/backbone",
                model_run_dir=str(tmp_path),
                serving_model_dir=f"{uri}/model",
                hyperparameters=None,
            )
        )
        return found[-1]

    return directory


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("inputs", "source_fingerprint"), "other"),
        (("inputs", "max_side"), 256),
        (("inputs", "examples_code"), "other"),
        (("inputs", "transform_code"), "other"),
        (("inputs", "backbone_fingerprint"), "other"),
        (("code_fingerprint",), "other"),
        (("training", "classes"), ["a", "c"]),
        (("training", "tune"), "head"),
        (("training", "hyperparameters", "learning_rate"), 0.5),
        (("training", "hyperparameters", "seed"), 7),
        (("training", "hyperparameters", "precision"), "mixed_bfloat16"),
        (("training", "augmentation", "mixup"), 0.5),
    ],
)
def test_settings_that_determine_the_weights_change_the_directory(directory, path, value):
    assert directory(CONFIG).startswith("/checkpoints/")
    assert directory(CONFIG) != directory(_changed(path, value))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("strategy", "single"),
        ("jit_compile", True),
        ("checkpoint_steps", 3),
        ("checkpoints_kept", 5),
        ("profile", 4),
    ],
)
def test_settings_that_make_no_difference_keep_the_directory(directory, name, value):
    assert directory(CONFIG) == directory(_changed(("training", "hyperparameters", name), value))


def test_the_directories_of_equal_inputs_make_no_difference(directory):
    """If an earlier node runs again with the same result, the URIs of Trainer's inputs change, but
    the checkpoint directory must stay the same."""
    assert directory(CONFIG, "x") == directory(CONFIG, "y")


def _changed(path, value):
    config = copy.deepcopy(CONFIG)
    *groups, last = path
    group = config
    for name in groups:
        group = group[name]
    group[last] = value
    return config
