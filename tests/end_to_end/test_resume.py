"""Tests a run that is terminated during its training, its continuation, and a run with a Tuner."""

import base64
import dataclasses
import json
import os
import re
import signal
from pathlib import Path

import keras_tuner
import pytest

from tests.backbones.scripted_server import Answer, Server, archive, files_of
from tests.conftest import TINY
from tests.trainer.collection_model import write_collection_model
from trainer.training.loop import Loop

pytestmark = pytest.mark.slow

USER, PASSWORD, SIGNATURE = "somebody", "hunter2hunter2", "5EC12E7"
PRINTED = []  # stdout and stderr of all runs


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return tmp_path_factory.mktemp("root")


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """Serves a SavedModel like those on TF-Hub; yields its URL with a password and a signature."""
    directory = tmp_path_factory.mktemp("backbone") / "published"
    write_collection_model(dataclasses.replace(TINY, depth=1), directory)
    with pytest.MonkeyPatch.context() as patch, Server() as server:
        patch.setenv("no_proxy", "127.0.0.1")
        path = f"/published.tar.gz?X-Goog-Signature={SIGNATURE}"
        body = archive(files_of(directory))
        # The first download breaks off, so that there is a partial file, and a line in the log.
        url = server.answer(path, Answer(body=body, sent=len(body) // 2), Answer(body=body))
        yield url.replace("://", f"://{USER}:{PASSWORD}@")


@pytest.fixture
def arguments(model):
    given = ["--model", model, "--dataset", "digits", "--min-accuracy", "0"]
    return [*given, "--head", "gradient", "--set", "train.steps=6", "--set", "augment.mixup=0.2"]


def test_the_next_run_resumes_from_the_checkpoint(pipeline, root, arguments, monkeypatch):
    save = Loop._save

    def save_and_be_asked(self):
        save(self)
        if self._step == 4:
            signal.raise_signal(signal.SIGTERM)

    monkeypatch.setattr(Loop, "_save", save_and_be_asked)
    asked = pipeline(root, *arguments, "--set", "train.checkpoint_steps=4")
    PRINTED.extend([asked.out, asked.err])
    assert asked.status == 1
    assert "asked to end after step 4 of 6" in asked.err
    assert list((root / "checkpoints").glob("*/newest/step-4.index"))
    monkeypatch.setattr(Loop, "_save", save)
    resumed = pipeline(root, *arguments, "--set", "train.checkpoint_steps=4")
    PRINTED.extend([resumed.out, resumed.err])
    assert (resumed.status, resumed.err) == (0, "")
    assert resumed.ran == {"Trainer", "Evaluator", "ServingCheck", "Pusher", "Report"}
    (log,) = [log for log in (root / "logs").iterdir() if "resumes from" in log.read_text()]
    assert "resumes from the checkpoint of step 4" in log.read_text()
    assert not any((root / "checkpoints").iterdir())
    assert list(resumed.artifacts["Trainer.model_run"].rglob("events.out.tfevents.*"))


def test_training_uses_the_best_hyperparameters_of_the_tuner(pipeline, root, arguments):
    run = pipeline(root, *arguments, "--tuner", "2")
    PRINTED.extend([run.out, run.err])
    assert (run.err, run.status in (0, 3)) == ("", True)
    assert {"Tuner", "Trainer"} <= run.ran
    (found,) = run.artifacts["Tuner.best_hyperparameters"].iterdir()
    values = keras_tuner.HyperParameters.from_config(json.loads(found.read_text())).values
    curves = run.artifacts["Trainer.model_run"] / "history.json"
    rates = [step["learning_rate"] for step in json.loads(curves.read_text())["steps"]]
    assert max(rates) == pytest.approx(values["train.learning_rate"], rel=1e-5)
    assert run.artifacts["Trainer.model"].is_dir()


def test_password_and_signature_of_the_url_are_not_stored(root):
    """The runs neither print password and signature, nor write them to any file."""
    assert len(PRINTED) == 6
    assert re.search(r"model +http://…@127\.0\.0\.1:\d+/published\.tar\.gz\?…$", PRINTED[0], re.M)
    files = [path for path in root.rglob("*") if path.is_file()]
    files += [path for path in Path(os.environ["VIT_HOME"]).rglob("*") if path.is_file()]
    assert {"metadata.sqlite", ".pipeline-reads", "saved_model.pb"} <= {path.name for path in files}
    basic = base64.b64encode(f"{USER}:{PASSWORD}".encode())
    for secret in (USER.encode(), PASSWORD.encode(), SIGNATURE.encode(), basic):
        assert not [text for text in PRINTED if secret.decode() in text]
        assert not [path for path in files if secret in path.read_bytes()]
        assert not [path for path in files if secret.decode().lower() in str(path).lower()]
