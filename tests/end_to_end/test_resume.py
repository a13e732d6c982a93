"""A run that is asked to end in the middle of its training, and the next one."""

import signal

import pytest

from trainer.loop import Loop

pytestmark = pytest.mark.slow


def test_the_next_run_goes_on_from_the_checkpoint(pipeline, tmp_path, tiny_backbone, monkeypatch):
    arguments = ["--model", str(tiny_backbone), "--dataset", "digits", "--min-accuracy", "0"]
    arguments += ["--set", "train.steps=6", "--set", "augment.mixup=0.2"]
    save = Loop._save

    def save_and_be_asked(self):
        save(self)
        if self._step == 4:
            signal.raise_signal(signal.SIGTERM)

    monkeypatch.setattr(Loop, "_save", save_and_be_asked)
    asked = pipeline(tmp_path, *arguments, "--set", "train.checkpoint_steps=4")
    assert asked.status == 1
    assert "asked to end after step 5 of 6" in asked.err
    assert list((tmp_path / "checkpoints").glob("*/newest/step-5.index"))
    monkeypatch.setattr(Loop, "_save", save)
    resumed = pipeline(tmp_path, *arguments, "--set", "train.checkpoint_steps=4")
    assert (resumed.status, resumed.err) == (0, "")
    assert resumed.ran == {"Trainer", "Evaluator", "Pusher"}
    (log,) = [log for log in (tmp_path / "logs").iterdir() if "goes on from" in log.read_text()]
    assert "goes on from the checkpoint of step 5" in log.read_text()
    assert not any((tmp_path / "checkpoints").iterdir())
    assert list(resumed.artifacts["Trainer.model_run"].glob("events.out.tfevents.*"))
