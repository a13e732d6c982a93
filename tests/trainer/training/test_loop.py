"""Tests of the training loop, with a head that has four input features."""

import json
import logging
import os
import shutil
import signal

import keras
import numpy as np
import pytest
import tensorflow as tf
from tensorflow.compat.v1.train import summary_iterator

from common import termination
from common.errors import InputError
from common.termination import Termination
from tests.trainer.small_training import CLASSES, Task, write_features, write_images
from trainer.input.dataset import TrainingData
from trainer.training import forecast, loop
from trainer.training.hyperparameters import Hyperparameters
from trainer.training.loop import Loop, fit
from trainer.training.metrics import NonFiniteError
from trainer.training.preemption import PreemptedError
from trainer.training.strategy import describe_devices
from trainer.training.train_step import Stepper
from trainer.training.validation import Validation


@pytest.fixture
def fit_head(tmp_path):
    """Returns a function that trains a head on 50 examples and returns (model, history)."""
    write_features(tmp_path)

    def fit_head(**changes):
        hyperparameters = Hyperparameters(**{"batch_size": 10, "learning_rate": 0.5} | changes)
        model = train(Task(tmp_path, hyperparameters), tmp_path / "log")
        return model, json.loads((tmp_path / "log" / "history.json").read_text())

    return fit_head


def train(task, log_dir):
    """Trains the model of a task, with checkpoints in the task's folder; returns the model."""
    model = task.make_model()
    fit(
        model,
        task.train,
        task.validation(),
        hyperparameters=task.hyperparameters,
        strategy=tf.distribute.get_strategy(),
        checkpoints=str(task.folder / "checkpoints"),
        log_dir=str(log_dir),
    )
    return model


def test_training_learns_and_writes_its_history(fit_head, tmp_path):
    _, history = fit_head(epochs=20)
    assert [record["step"] for record in history["epochs"]] == list(range(5, 101, 5))
    assert [record["step"] for record in history["steps"]] == list(range(1, 101))
    first, last = history["epochs"][0], history["epochs"][-1]
    assert last["val_loss"] < first["val_loss"]
    assert last["val_accuracy"] > 0.6
    assert set(last) == {"step", "loss", "accuracy", "val_loss", "val_accuracy"}
    assert set(history["steps"][0]) == {
        "step",
        "loss",
        "accuracy",
        "learning_rate",
        "gradient_norm",
    }
    mean = np.mean([record["loss"] for record in history["steps"][-5:]])
    assert last["loss"] == pytest.approx(mean, rel=1e-6)
    written = {value.tag for _, value in summaries(tmp_path / "log")}
    curves = {f"train/{name}" for name in (*history["steps"][0], "images_per_second")}
    assert written >= curves - {"train/step"} | {"epoch/val_accuracy"}


def summaries(log_dir):
    """Returns the pairs of step and value in TensorBoard's event file."""
    (events,) = log_dir.glob("events.out.tfevents.*")
    return [(e.step, value) for e in summary_iterator(str(events)) for value in e.summary.value]


def test_inputs_are_shown_at_the_start_and_after_resuming(tiny_backbone, tmp_path, monkeypatch):
    """A resumed training writes to a new log directory, so it logs the input images again."""
    write_images(tmp_path)
    task = Task(tmp_path, Hyperparameters(batch_size=6), tune="full", backbone=tiny_backbone)
    preempt_after(4, monkeypatch)
    with pytest.raises(PreemptedError):
        train(task, tmp_path / "first")
    monkeypatch.undo()
    train(task, tmp_path / "second")
    for log, step in (("first", 0), ("second", 4)):
        shown = [(s, v) for s, v in summaries(tmp_path / log) if v.tag == "inputs"]
        assert [s for s, _ in shown] == [step]
        width, height, *images = tf.make_ndarray(shown[0][1].tensor)
        assert (width, height, len(images)) == (b"16", b"16", 6)
        # If the values in [-1, 0] were cut off, the mean would be below 40.
        assert 40 < np.mean([tf.io.decode_png(image) for image in images]) < 160


def test_the_input_pipeline_is_started_once(tiny_backbone, tmp_path, monkeypatch):
    """The training must not start the input pipeline a second time to log images for
    TensorBoard."""
    write_images(tmp_path)
    task = Task(tmp_path, Hyperparameters(batch_size=6), tune="full", backbone=tiny_backbone)
    batches, starts = TrainingData.batches, []

    def counted(self, *arguments, **options):
        def start(_):
            tf.py_function(lambda: starts.append(None), [], [])
            return batches(self, *arguments, **options)

        return tf.data.Dataset.range(1).flat_map(start)

    monkeypatch.setattr(TrainingData, "batches", counted)
    train(task, tmp_path / "log")
    assert len(starts) == 1


def test_the_head_begins_at_zero(fit_head):
    """Before the first step, all classes are equally probable."""
    _, history = fit_head(steps=1)
    assert history["steps"][0]["loss"] == pytest.approx(np.log(CLASSES))


@pytest.mark.parametrize("clip", [None, 0.01])
def test_gradients_are_clipped_by_their_global_norm(fit_head, clip):
    model, history = fit_head(steps=1, learning_rate=0.5, schedule="constant", clip_norm=clip)
    norm = history["steps"][0]["gradient_norm"]
    assert norm > 0.1
    # The weights start at zero, so their values after one step are the update of that step.
    step = np.sqrt(sum(np.sum(np.square(w)) for w in model.get_weights()))
    assert step == pytest.approx(0.5 * (clip or norm), rel=1e-5)


def test_gradients_are_clipped_each_by_its_own_norm(fit_head):
    model, _ = fit_head(
        steps=1, learning_rate=0.5, schedule="constant", clip_norm=0.01, clip="each"
    )
    norms = [np.linalg.norm(weight) for weight in model.get_weights()]
    np.testing.assert_allclose(norms, [0.005, 0.005], rtol=1e-5)


@pytest.mark.parametrize(("steps", "epochs"), [(1, 1), (5, 1), (7, 2), (10, 2)])
def test_steps_are_counted_exactly(fit_head, steps, epochs, caplog):
    with caplog.at_level(logging.INFO, "trainer.training.progress"):
        _, history = fit_head(steps=steps)
    assert history["epochs"][-1]["step"] == steps
    assert len(history["epochs"]) == epochs
    last = _reported(caplog)[-1]
    assert (last.step, last.total_steps, last.epoch) == (steps, steps, epochs)


def test_the_first_step_does_not_count_for_the_pace(fit_head, caplog):
    """The first step traces the graph, so it takes much longer than later steps."""
    with caplog.at_level(logging.DEBUG, "trainer.training.progress"):
        fit_head(steps=7)
    first, *_, last = _reported(caplog)
    assert (first.step, first.pace) == (1, None)
    assert last.pace.images_per_second > 0
    assert last.pace.seconds_left == 0


def test_a_long_training_forecasts_its_time(fit_head, caplog, monkeypatch):
    monkeypatch.setattr(forecast, "_LONG", 0)
    with caplog.at_level(logging.INFO, "trainer.training.forecast"):
        fit_head(steps=8)
    (found,) = [record.forecast for record in caplog.records if hasattr(record, "forecast")]
    assert found.devices == describe_devices(tf.distribute.get_strategy())
    # three steps of 10 images remain after the first epoch of five steps
    assert found.images == 3 * 10
    assert found.images_per_second > 0


def _reported(caplog):
    return [record.progress for record in caplog.records if hasattr(record, "progress")]


def test_gradient_accumulation_gives_the_same_weights(fit_head, tmp_path):
    whole, _ = fit_head(epochs=3, weight_decay=0.01, clip_norm=0.1)
    tf.io.gfile.rmtree(str(tmp_path / "checkpoints"))
    parts, _ = fit_head(epochs=3, weight_decay=0.01, clip_norm=0.1, accumulation=5)
    for one, other in zip(whole.get_weights(), parts.get_weights(), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)


def test_a_batch_that_cannot_be_divided(fit_head):
    with pytest.raises(InputError, match="expected a multiple of 3"):
        fit_head(accumulation=3)


def test_a_batch_larger_than_the_data(fit_head, tmp_path):
    message = "--batch-size 51: found 50 training images; expected at most 50"
    with pytest.raises(InputError, match=message):
        fit_head(batch_size=51)
    assert not (tmp_path / "checkpoints").exists()


def test_training_with_xla_gives_the_same_weights(fit_head, tmp_path, monkeypatch):
    steppers = []
    begin = Stepper.__init__

    def kept(self, *arguments, **options):
        begin(self, *arguments, **options)
        steppers.append(self)

    monkeypatch.setattr(Stepper, "__init__", kept)
    plain, _ = fit_head(epochs=2)
    tf.io.gfile.rmtree(str(tmp_path / "checkpoints"))
    compiled, _ = fit_head(epochs=2, jit_compile=True)
    for one, other in zip(plain.get_weights(), compiled.get_weights(), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)
    assert [is_compiled(stepper) for stepper in steppers] == [False, True]


def is_compiled(stepper):
    """Returns whether XLA compiles the function that computes the gradients."""
    (graph,) = stepper._gradients._list_all_concrete_functions()
    return graph.function_def.attr["_XlaMustCompile"].b


def test_label_smoothing_keeps_the_loss_up(fit_head, tmp_path):
    _, plain = fit_head(epochs=10)
    tf.io.gfile.rmtree(str(tmp_path / "checkpoints"))
    _, smoothed = fit_head(epochs=10, label_smoothing=0.3)
    assert smoothed["epochs"][-1]["loss"] > plain["epochs"][-1]["loss"] + 0.1


def test_early_stopping_exports_the_best(fit_head):
    """With a learning rate of 50, the accuracy falls, so the training stops early. The model has
    the weights of the best epoch."""
    model, history = fit_head(
        epochs=50, learning_rate=50.0, clip_norm=None, schedule="constant", early_stopping=2
    )
    scores = [(r["val_accuracy"], -r["val_loss"]) for r in history["epochs"]]
    assert len(scores) < 50
    assert max(scores) == scores[-3]
    assert accuracy_of(model, fit_head) == pytest.approx(max(scores)[0])


def test_keeping_the_best(fit_head):
    model, history = fit_head(
        epochs=8, learning_rate=50.0, clip_norm=None, schedule="constant", keep="best"
    )
    assert len(history["epochs"]) == 8
    best = max(record["val_accuracy"] for record in history["epochs"])
    assert accuracy_of(model, fit_head) == pytest.approx(best)


def accuracy_of(model, fit_head):
    task = Task(fit_head.__closure__[0].cell_contents, Hyperparameters())
    right = [
        tf.equal(tf.argmax(model(inputs), -1), tf.argmax(labels, -1))
        for inputs, labels in task.validation()
    ]
    return float(tf.reduce_mean(tf.cast(tf.concat(right, 0), tf.float32)))


def test_the_average_of_the_weights_is_exported(fit_head, tmp_path):
    plain, _ = fit_head(epochs=4)
    tf.io.gfile.rmtree(str(tmp_path / "checkpoints"))
    averaged, history = fit_head(epochs=4, ema=0.99)
    # The weights grow from zero, so the moving average, which includes the small weights of the
    # first steps, is smaller than the final weights.
    assert np.abs(averaged.get_weights()[0]).mean() < np.abs(plain.get_weights()[0]).mean()
    losses = [record["val_loss"] for record in history["epochs"]]
    assert losses == sorted(losses, reverse=True)


def test_with_class_weights_rare_classes_are_predicted_more_often(fit_head, tmp_path):
    """With class weights, the model predicts the frequent class less often."""
    from tests.trainer.small_training import FEATURES, LABEL, write_records

    generator = np.random.default_rng(0)
    labels = np.repeat([0, 1, 2], [40, 5, 5])
    examples = [
        {
            FEATURES: (generator.normal(size=4) + 0.5 * np.eye(4)[label]).astype(np.float32),
            LABEL: int(label),
        }
        for label in labels
    ]
    write_records(tmp_path / "train-0", examples[:25])
    write_records(tmp_path / "train-1", examples[25:])
    features = np.stack([example[FEATURES] for example in examples])

    def answers(**changes):
        model, _ = fit_head(epochs=20, **changes)
        tf.io.gfile.rmtree(str(tmp_path / "checkpoints"))
        return np.bincount(np.argmax(model(features), -1), minlength=3)

    assert answers()[0] > answers(class_weights=True)[0] + 5


@pytest.mark.parametrize(
    ("seconds", "changes", "expected"),
    [
        (30, {}, [15]),
        (0, {}, [5, 10, 15]),
        (30, {"checkpoint_steps": 4}, [4, 8, 12, 15]),
        (30, {"early_stopping": 1, "learning_rate": 1e-30}, [10]),
    ],
)
def test_when_checkpoints_are_written(fit_head, monkeypatch, seconds, changes, expected):
    """At the end of an epoch, the training saves a checkpoint only if the last checkpoint is at
    least `seconds` old. The training also saves a checkpoint when it ends."""
    save, saved = Loop._save, []

    def noted(self):
        saved.append(self._step)
        save(self)

    monkeypatch.setattr(Loop, "_save", noted)
    monkeypatch.setattr(loop, "SECONDS_BETWEEN_CHECKPOINTS", seconds)
    fit_head(epochs=3, **changes)
    assert saved == expected


def test_a_nan_loss_ends_the_training_at_the_last_good_checkpoint(fit_head, tmp_path):
    step = Stepper.step

    def broken(self, parts, **options):
        if int(self.optimizer.iterations) == 6:
            self.model.trainable_variables[0].assign(np.full([4, 3], np.nan))
        return step(self, parts, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Stepper, "step", broken)
        patch.setattr(loop, "SECONDS_BETWEEN_CHECKPOINTS", 0)
        with pytest.raises(NonFiniteError, match="not finite at step 7"):
            fit_head(epochs=2)
    newest = tf.train.latest_checkpoint(str(tmp_path / "checkpoints" / "newest"))
    assert newest.endswith("step-5")
    _, history = fit_head(epochs=2)
    assert [record["step"] for record in history["steps"]] == list(range(1, 11))


def test_the_scaled_loss_of_float16_gives_the_same_weights(fit_head, tmp_path):
    plain, expected = fit_head()
    tf.io.gfile.rmtree(str(tmp_path / "checkpoints"))
    scaled, history = fit_head(precision="mixed_float16")
    for step, plain_step in zip(history["steps"], expected["steps"], strict=True):
        assert step == pytest.approx(plain_step, rel=1e-6)
    np.testing.assert_allclose(scaled.get_weights()[0], plain.get_weights()[0], rtol=1e-5)


def initial_scale(monkeypatch, scale):
    initialize = keras.optimizers.LossScaleOptimizer.__init__
    _, *others = initialize.__defaults__
    monkeypatch.setattr(initialize, "__defaults__", (scale, *others))


def test_steps_that_overflow_are_left_out(fit_head, monkeypatch, caplog):
    initial_scale(monkeypatch, 2.0**68)  # the squares of gradients at this scale overflow float32
    with caplog.at_level(logging.INFO):
        _, history = fit_head(epochs=20, precision="mixed_float16", ema=0.9)
    left_out = [record for record in history["steps"] if "gradient_norm" not in record]
    assert [record["step"] for record in left_out[:2]] == [1, 2]
    assert len(left_out) <= 10
    assert "step 1 is skipped: its gradients overflow float16" in caplog.text
    assert len({record["loss"] for record in history["steps"]}) > 50
    assert history["epochs"][-1]["val_accuracy"] > 0.6


def test_overflows_without_end_are_an_error(fit_head, monkeypatch):
    initial_scale(monkeypatch, 2.0**127)
    with pytest.raises(NonFiniteError, match="the gradient is not finite at step 21"):
        fit_head(epochs=20, precision="mixed_float16")


@pytest.mark.parametrize("first", [3, 11, 12, 20, 21])
def test_steps_are_profiled_until_the_training_ends(fit_head, tmp_path, caplog, first):
    with caplog.at_level(logging.INFO):
        fit_head(epochs=4, profile=first)
    assert len(profiles_in(tmp_path / "log")) == (first <= 20)
    assert ("profiled fewer steps than 10" in caplog.text) == (first in (12, 20))
    assert not is_profiling(tmp_path)


def test_a_resumed_training_profiles_the_remaining_steps(fit_head, tmp_path, monkeypatch):
    preempt_after(10, monkeypatch)
    with pytest.raises(PreemptedError):
        fit_head(epochs=4, profile=6)
    assert not is_profiling(tmp_path)
    monkeypatch.undo()
    tf.io.gfile.rmtree(str(tmp_path / "log"))
    fit_head(epochs=4, profile=6)
    assert len(profiles_in(tmp_path / "log")) == 1
    assert not is_profiling(tmp_path)


def profiles_in(log):
    return list(log.glob("plugins/profile/*/*.xplane.pb"))


def is_profiling(folder):
    """Returns whether a profile is active; TensorFlow allows only one active profile at a time."""
    try:
        tf.profiler.experimental.start(str(folder / "other"))
    except tf.errors.AlreadyExistsError:
        return True
    tf.profiler.experimental.stop()
    return False


def preempt_after(step, monkeypatch, number=signal.SIGTERM):
    """Sends a signal to this process at the end of the epoch whose last step is `step`."""
    end = Loop._end_epoch

    def end_epoch(self, preemption):
        end(self, preemption)
        if self._step == step:
            signal.raise_signal(number)

    monkeypatch.setattr(Loop, "_end_epoch", end_epoch)


@pytest.mark.usefixtures("foreground")
def test_ctrl_c_saves_first_and_pressed_again_ends_at_once(fit_head, monkeypatch):
    before = signal.getsignal(signal.SIGINT)
    preempt_after(10, monkeypatch, signal.SIGINT)
    with pytest.raises(KeyboardInterrupt, match="after step 10 of 20; the training is saved"):
        fit_head(epochs=4)
    assert signal.getsignal(signal.SIGINT) is before
    monkeypatch.undo()

    def press_twice(self, preemption):
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(Loop, "_end_epoch", press_twice)
    with pytest.raises(KeyboardInterrupt) as at_once:
        fit_head(epochs=4)
    assert str(at_once.value) == ""
    assert signal.getsignal(signal.SIGINT) is before


@pytest.mark.parametrize("epoch", [2, 4])
def test_an_interrupted_validation_is_repeated(tmp_path, monkeypatch, epoch):
    """The next run repeats the validation, and ends with the results of an undisturbed training."""
    write_features(tmp_path)
    hyperparameters = Hyperparameters(
        batch_size=10, learning_rate=0.5, epochs=4, ema=0.9, keep="best", deterministic=True
    )
    histories, weights = [], []
    for name in ("undisturbed", "interrupted"):
        task = Task(tmp_path, hyperparameters)
        if name == "interrupted":
            stop_validation(epoch, monkeypatch)
            with pytest.raises(PreemptedError, match="the training is saved and"):
                train(task, tmp_path / name)
            monkeypatch.undo()
        weights.append(train(task, tmp_path / name).get_weights())
        shutil.rmtree(tmp_path / "checkpoints")
        histories.append(json.loads((tmp_path / name / "history.json").read_text()))
    assert histories[0]["epochs"] == histories[1]["epochs"]
    np.testing.assert_array_equal(*(np.concatenate([w.ravel() for w in ws]) for ws in weights))


def stop_validation(epoch, monkeypatch):
    """Sends SIGTERM during the validation after epoch number `epoch`."""
    test, validations = Stepper.test, []
    run = Validation.run

    def begin(self, *arguments):
        validations.append(self)
        return run(self, *arguments)

    def test_and_be_asked(self, batch):
        if len(validations) == epoch:
            signal.raise_signal(signal.SIGTERM)
        return test(self, batch)

    monkeypatch.setattr(Validation, "run", begin)
    monkeypatch.setattr(Stepper, "test", test_and_be_asked)


@pytest.fixture
def local_run(monkeypatch):
    """Returns the `Termination` of a local run; `os._exit` is mocked, and raises SystemExit."""

    def leave(status):
        raise SystemExit(status)

    run = Termination("program")
    monkeypatch.setattr(termination, "_current", run)
    monkeypatch.setattr(termination, "kill_descendants", lambda patience: None)
    monkeypatch.setattr(os, "_exit", leave)
    return run


@pytest.mark.parametrize("step", [10, 20])
def test_a_local_run_ends_after_saving_its_training(fit_head, local_run, monkeypatch, capfd, step):
    """The process ends without an exception, because a caller might catch an exception."""
    end, saved = Loop._end_epoch, []

    def end_epoch(self, preemption):
        end(self, preemption)
        if self._step == step:
            # simulates a signal: in a real run, the thread that waits for signals calls `_receive`
            local_run._receive(signal.SIGTERM)
            saved.append(self._checkpoints)

    monkeypatch.setattr(Loop, "_end_epoch", end_epoch)
    with pytest.raises(SystemExit) as ended:
        fit_head(epochs=4)
    assert ended.value.code == 143
    first, last = capfd.readouterr().err.splitlines()
    assert first == "program: the training is being saved; a second Ctrl-C ends it at once"
    assert last.startswith("program: terminated: ended by a signal after ")
    assert "the training is saved" in last
    (checkpoints,) = saved
    assert checkpoints.restore()["step"] == step


def test_a_local_run_with_nothing_to_save_ends_at_once(fit_head, local_run, monkeypatch, capfd):
    """Before the end of its first step, a training has nothing to save."""

    def receive(*_, **__):
        local_run._receive(signal.SIGINT)

    monkeypatch.setattr(Stepper, "step", receive)
    with pytest.raises(SystemExit) as ended:
        fit_head(epochs=4)
    assert ended.value.code == 130
    assert capfd.readouterr().err.splitlines()[0] == "program: interrupted"


@pytest.mark.usefixtures("foreground")
def test_ctrl_c_in_the_last_step_saves_the_training(fit_head, monkeypatch):
    preempt_after(20, monkeypatch, signal.SIGINT)
    with pytest.raises(KeyboardInterrupt, match="after the last step; the training is saved"):
        fit_head(epochs=4)
    monkeypatch.undo()
    _, history = fit_head(epochs=4)
    assert [record["step"] for record in history["steps"]] == list(range(1, 21))


def test_a_process_that_ignores_ctrl_c_still_ignores_it(fit_head, monkeypatch):
    """A process that a shell starts in the background ignores SIGINT."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        preempt_after(10, monkeypatch, signal.SIGINT)
        _, history = fit_head(epochs=4)
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)
    assert history["steps"][-1]["step"] == 20


def test_sigterm_saves_first(fit_head, tmp_path, monkeypatch):
    preempt_after(10, monkeypatch)
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(PreemptedError, match="after step 10 of 20"):
        fit_head(epochs=4)
    assert signal.getsignal(signal.SIGTERM) is before
    monkeypatch.undo()
    resumed, history = fit_head(epochs=4)
    assert [record["step"] for record in history["steps"]] == list(range(1, 21))
    tf.io.gfile.rmtree(str(tmp_path / "checkpoints"))
    undisturbed, _ = fit_head(epochs=4)
    for one, other in zip(resumed.get_weights(), undisturbed.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"optimizer": "adamw", "ema": 0.9, "keep": "best", "weight_decay": 0.1},
        {"early_stopping": 3, "accumulation": 2},
    ],
    ids=["sgd", "adamw", "early stopping"],
)
def test_resuming_from_any_step_gives_the_same_weights(fit_head, tmp_path, monkeypatch, changes):
    """The training fails after every third step, and continues from the checkpoint."""

    class KilledError(Exception):
        pass

    save = Loop._save
    undisturbed, expected = fit_head(epochs=4, checkpoint_steps=1, **changes)
    tf.io.gfile.rmtree(str(tmp_path / "checkpoints"))

    def save_and_die(self):
        save(self)
        if self._step % 3 == 0:
            raise KilledError

    monkeypatch.setattr(Loop, "_save", save_and_die)
    killed = 0
    while True:
        try:
            resumed, history = fit_head(epochs=4, checkpoint_steps=1, **changes)
            break
        except KilledError:
            killed += 1
    assert killed >= 4
    assert history == expected
    for one, other in zip(resumed.get_weights(), undisturbed.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
