"""Tests that the settings of nodes stay the same when they are converted to JSON and back."""

import dataclasses
import json
import subprocess
import sys

import pytest

from common.custom_config import from_custom_config, to_custom_config
from common.errors import InputError
from components.model_pusher.settings import PusherSettings
from tests.trainer.training_inputs import make_training_inputs
from trainer.decoding.limits import Limits
from trainer.input.augmentation import Augmentation
from trainer.training.hyperparameters import Hyperparameters
from trainer.training.run_label import RunLabel
from trainer.training.settings import (
    ServingSettings,
    TrainerSettings,
    TrainingSettings,
    TunerSettings,
)
from trainer.transform_settings import TransformSettings

TRAINING = TrainingSettings(
    tune="full",
    classes=("daisy", "tulip"),
    hyperparameters=Hyperparameters(learning_rate=1, steps=3, early_stopping=2),
    augmentation=Augmentation(crop_area=0.05),
)
TRAINER = TrainerSettings(
    training=TRAINING,
    serving=ServingSettings(limits=Limits(), precision=0.9),
    inputs=make_training_inputs(),
    label=RunLabel(name="flowers", options={"train.learning_rate": 1.0, "train.steps": None}),
    checkpoints="gs://bucket/checkpoints",
    code_fingerprint="5",
)


@pytest.mark.parametrize(
    "settings",
    [
        TRAINER,
        TunerSettings(training=TRAINING, label=RunLabel(), trials=3, code_fingerprint="5"),
        TransformSettings(tune="head", code_fingerprint="5"),
        PusherSettings(
            serving_state="",
            push_record="/root/pushed.json",
            training="6",
            fail_on_unblessed=True,
            keep_versions=5,
            model_name="flowers",
            max_batch=32,
            endpoint=None,
            code_fingerprint="5",
        ),
    ],
)
def test_settings_survive_the_conversion_to_json(settings):
    text = to_custom_config(settings)
    # `from_custom_config` must accept both JSON text, which TFX passes to executors, and decoded
    # JSON, which TFX passes to functions such as `run_fn`.
    assert from_custom_config(type(settings), text) == settings
    assert from_custom_config(type(settings), json.loads(text)) == settings


@pytest.mark.parametrize(
    ("group", "change", "expected"),
    [
        ((), {"lr": 1}, "found lr: unknown key; expected the TrainerSettings of this version"),
        (("training", "hyperparameters"), {"lr": 1}, "training.hyperparameters.lr: unknown key"),
        (("inputs",), {"data": ""}, "inputs.data: unknown key"),
        (("training",), {"tune": "half"}, "training.tune: Input should be 'full' or 'head'"),
        (("training", "hyperparameters"), {"steps": "3"}, "steps: Input should be a valid integer"),
        (("training", "hyperparameters"), {"epochs": 1.5}, "epochs: Input should be a valid int"),
        (("training",), {"classes": "daisy"}, "training.classes: Input should be a valid array"),
    ],
)
def test_settings_of_another_version_are_refused(group, change, expected):
    config = json.loads(to_custom_config(TRAINER))
    changed = config
    for name in group:
        changed = changed[name]
    changed |= change
    with pytest.raises(InputError, match="compile the pipeline again") as error:
        from_custom_config(TrainerSettings, config)
    assert expected in str(error.value)
    assert "\n" not in str(error.value)


def test_a_missing_key_is_refused():
    config = dataclasses.asdict(TRAINER)
    del config["checkpoints"]
    with pytest.raises(InputError, match="found checkpoints: key is missing"):
        from_custom_config(TrainerSettings, config)


def test_settings_need_no_tensorflow(project):
    """The process that builds the pipeline imports node settings, but should not need TensorFlow.

    Importing TensorFlow takes seconds.
    """
    code = (
        "import sys\n"
        "import components.model_pusher.settings, trainer.training.settings\n"
        "import trainer.transform_settings\n"
        "heavy = {'tensorflow', 'tfx', 'keras', 'apache_beam', 'numpy'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    subprocess.run([sys.executable, "-c", code], cwd=project, check=True)
