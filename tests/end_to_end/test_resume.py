"""Tests a run that is terminated while Trainer runs, and the next run, which continues it.

The pipeline also contains Tuner, which has finished before the first run is terminated.
"""

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
from tests.end_to_end.conftest import Run
from tests.trainer.collection_model import write_collection_model
from trainer.training.loop import Loop

pytestmark = pytest.mark.slow

USER, PASSWORD, SIGNATURE = "somebody", "hunter2hunter2", "5EC12E7"


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return tmp_path_factory.mktemp("root")


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """Serves a SavedModel like those on TF-Hub.

    Yields:
      The URL of the SavedModel; it contains a password, and a signature as in a signed URL.
    """
    directory = tmp_path_factory.mktemp("backbone") / "published"
    write_collection_model(dataclasses.replace(TINY, depth=1), directory)
    with pytest.MonkeyPatch.context() as patch, Server() as server:
        patch.setenv("no_proxy", "127.0.0.1")
        path = f"/published.tar.gz?X-Goog-Signature={SIGNATURE}"
        body = archive(files_of(directory))
        # The first download breaks off, and leaves a partial file and a log line. The tests search
        # the file and the log line for secrets.
        url = server.answer(path, Answer(body=body, sent=len(body) // 2), Answer(body=body))
        yield url.replace("://", f"://{USER}:{PASSWORD}@")


@dataclasses.dataclass
class Runs:
    """A run whose training is terminated, and the next run.

    Attributes:
      stopped: the run that was terminated.
      checkpoints: the checkpoints that existed after the terminated run.
      resumed: the run after the terminated run.
    """

    stopped: Run
    checkpoints: list[Path]
    resumed: Run

    @property
    def printed(self) -> list[str]:
        runs = (self.stopped, self.resumed)
        return [text for run in runs for text in (run.out, run.err)]


@pytest.fixture(scope="module")
def runs(pipeline, root, model):
    arguments = ["--model", model, "--dataset", "digits", "--min-accuracy", "0", "--tuner", "2"]
    arguments += ["--head", "gradient", "--set", "train.steps=6", "--set", "augment.mixup=0.2"]
    arguments += ["--set", "train.checkpoint_steps=4", "--set", "report.heat_map_seconds=0"]
    save = Loop._save

    def save_and_get_signal(self):
        save(self)
        # Tuner also trains models, but writes no checkpoints to this folder, so a checkpoint here
        # comes from Trainer.
        if self._step == 4 and list((root / "checkpoints").glob("*")):
            signal.raise_signal(signal.SIGTERM)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Loop, "_save", save_and_get_signal)
        stopped = pipeline(root, *arguments)
    checkpoints = list((root / "checkpoints").glob("*/newest/*.index"))
    return Runs(stopped, checkpoints, pipeline(root, *arguments))


def test_a_training_that_is_terminated_is_saved(runs):
    assert runs.stopped.status == 1
    assert {"Tuner", "Trainer"} & runs.stopped.ran == {"Tuner"}
    assert "ended by a signal after step 4 of 6" in runs.stopped.err
    assert "step-4.index" in {path.name for path in runs.checkpoints}


def test_the_next_run_resumes_from_the_checkpoint(runs, root):
    resumed = runs.resumed
    assert (resumed.status, resumed.err) == (0, "")
    assert resumed.ran == {"Trainer", "Evaluator", "ServingCheck", "Pusher", "Report"}
    (log,) = [log for log in (root / "logs").iterdir() if "resumes from" in log.read_text()]
    assert "resumes from the checkpoint of step 4" in log.read_text()
    assert not any((root / "checkpoints").iterdir())
    assert list(resumed.artifacts["Trainer.model_run"].rglob("events.out.tfevents.*"))
    assert resumed.artifacts["Trainer.model"].is_dir()


def test_training_uses_the_best_hyperparameters_of_the_tuner(runs):
    artifacts = runs.resumed.artifacts
    (found,) = artifacts["Tuner.best_hyperparameters"].iterdir()
    values = keras_tuner.HyperParameters.from_config(json.loads(found.read_text())).values
    curves = artifacts["Trainer.model_run"] / "history.json"
    rates = [step["learning_rate"] for step in json.loads(curves.read_text())["steps"]]
    assert max(rates) == pytest.approx(values["train.learning_rate"], rel=1e-5)


def test_password_and_signature_of_the_url_are_not_stored(runs, root):
    """The runs neither print the password and the signature, nor write them to any file."""
    printed = runs.printed
    assert re.search(r"model +http://…@127\.0\.0\.1:\d+/published\.tar\.gz\?…$", printed[0], re.M)
    files = [path for path in root.rglob("*") if path.is_file()]
    files += [path for path in Path(os.environ["VIT_HOME"]).rglob("*") if path.is_file()]
    assert {"metadata.sqlite", ".pipeline-reads", "saved_model.pb"} <= {path.name for path in files}
    basic = base64.b64encode(f"{USER}:{PASSWORD}".encode())
    for secret in (USER.encode(), PASSWORD.encode(), SIGNATURE.encode(), basic):
        assert not [text for text in printed if secret.decode() in text]
        assert not [path for path in files if secret in path.read_bytes()]
        assert not [path for path in files if secret.decode().lower() in str(path).lower()]
