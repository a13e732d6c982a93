"""A run that is asked to end in the middle of its training, the next one, and one with a search."""

import dataclasses
import json
import signal

import keras_tuner
import pytest

from tests.conftest import TINY
from tests.trainer.collection_model import write_collection_model
from trainer.training.loop import Loop

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return tmp_path_factory.mktemp("root")


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A SavedModel as those of the collection."""
    directory = tmp_path_factory.mktemp("backbone") / "published"
    write_collection_model(dataclasses.replace(TINY, depth=1), directory)
    return directory


@pytest.fixture
def arguments(model):
    given = ["--model", str(model), "--dataset", "digits", "--min-accuracy", "0"]
    return [*given, "--head", "gradient", "--set", "train.steps=6", "--set", "augment.mixup=0.2"]


def test_the_next_run_goes_on_from_the_checkpoint(pipeline, root, arguments, monkeypatch):
    save = Loop._save

    def save_and_be_asked(self):
        save(self)
        if self._step == 4:
            signal.raise_signal(signal.SIGTERM)

    monkeypatch.setattr(Loop, "_save", save_and_be_asked)
    asked = pipeline(root, *arguments, "--set", "train.checkpoint_steps=4")
    assert asked.status == 1
    assert "asked to end after step 5 of 6" in asked.err
    assert list((root / "checkpoints").glob("*/newest/step-5.index"))
    monkeypatch.setattr(Loop, "_save", save)
    resumed = pipeline(root, *arguments, "--set", "train.checkpoint_steps=4")
    assert (resumed.status, resumed.err) == (0, "")
    assert resumed.ran == {"Trainer", "Evaluator", "Pusher"}
    (log,) = [log for log in (root / "logs").iterdir() if "goes on from" in log.read_text()]
    assert "resumes from the checkpoint of step 5" in log.read_text()
    assert not any((root / "checkpoints").iterdir())
    assert list(resumed.artifacts["Trainer.model_run"].rglob("events.out.tfevents.*"))


def test_training_takes_the_best_of_a_search(pipeline, root, arguments):
    run = pipeline(root, *arguments, "--tuner", "2")
    assert (run.err, run.status in (0, 3)) == ("", True)
    assert {"Tuner", "Trainer"} <= run.ran
    (found,) = run.artifacts["Tuner.best_hyperparameters"].iterdir()
    values = keras_tuner.HyperParameters.from_config(json.loads(found.read_text())).values
    curves = run.artifacts["Trainer.model_run"] / "history.json"
    rates = [step["learning_rate"] for step in json.loads(curves.read_text())["steps"]]
    assert max(rates) == pytest.approx(values["train.learning_rate"], rel=1e-5)
    assert run.artifacts["Trainer.model"].is_dir()
