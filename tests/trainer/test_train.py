"""Where the checkpoints of a training lie. Mocked: the training itself."""

import copy
import dataclasses
from types import SimpleNamespace

import pytest

from backbones.input_range import DEFAULT_RANGE
from trainer import train
from trainer.input.augmentation import Augmentation
from trainer.training.hyperparameters import Hyperparameters
from trainer.training.loop import Fitted

CONFIG = {
    "tune": "full",
    "classes": ["a", "b"],
    "hyperparameters": dataclasses.asdict(Hyperparameters()),
    "augmentation": dataclasses.asdict(Augmentation()),
    "limits": {"max_side": 1024, "max_pixels": 10**8},
    "input_range": DEFAULT_RANGE,
    "precision": None,
    "checkpoints": "/checkpoints",
    "inputs": {"source": "1", "backbone": "2"},
    "code_fingerprint": "3",
}


class Checkpoints:
    def remove(self):
        pass


@pytest.fixture
def directory(monkeypatch, tmp_path):
    """Where a training of this `custom_config` and these URIs has its checkpoints."""
    found = []

    def fit(job, strategy, checkpoints, log_dir):
        found.append(checkpoints)
        return Fitted(None, None, Checkpoints())

    monkeypatch.setattr(train, "TransformGraph", lambda directory: None)
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
                num_examples={"train": 10},
            )
        )
        return found[-1]

    return directory


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("inputs", "source"), "other"),
        (("inputs", "backbone"), "other"),
        (("code_fingerprint",), "other"),
        (("classes",), ["a", "c"]),
        (("tune",), "head"),
        (("hyperparameters", "learning_rate"), 0.5),
        (("hyperparameters", "seed"), 7),
        (("hyperparameters", "precision"), "mixed_bfloat16"),
        (("augmentation", "mixup"), 0.5),
    ],
)
def test_what_determines_a_training_gives_it_another_directory(directory, path, value):
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
def test_what_makes_no_difference_does_not(directory, name, value):
    assert directory(CONFIG) == directory(_changed(("hyperparameters", name), value))


def test_nor_do_the_places_of_the_same_inputs(directory):
    """A node that runs again writes elsewhere."""
    assert directory(CONFIG, "x") == directory(CONFIG, "y")


def _changed(path, value):
    config = copy.deepcopy(CONFIG)
    *groups, last = path
    group = config
    for name in groups:
        group = group[name]
    group[last] = value
    return config
