import os
import resource
import threading

import numpy as np
import pytest
import tensorflow as tf

from common.errors import InputError
from trainer.training.checkpoints import Checkpoints, checkpoint_directory


@pytest.fixture(params=[False, True], ids=["in turn", "in background"])
def training(tmp_path, request):
    """Returns a function that makes a weight, an optimizer's variable, and their `Checkpoints`."""

    def make(kept=2, **more):
        weight, slot = tf.Variable(1.0), tf.Variable(2.0)
        more["in_background"] = request.param
        return weight, slot, Checkpoints(str(tmp_path), [weight, slot], [weight], kept=kept, **more)

    return make


def test_the_directory_depends_on_config_and_inputs():
    base = {"config": {"epochs": 1}, "examples": ["a"]}
    assert checkpoint_directory("root", **base) == checkpoint_directory("root", **base)
    assert checkpoint_directory("root", **base).startswith("root/")
    changed = base | {"config": {"epochs": 2}}
    assert checkpoint_directory("root", **changed) != checkpoint_directory("root", **base)


def test_restoring_without_a_checkpoint(training):
    assert training()[2].restore() == {}


def test_restoring_the_newest_checkpoint(training):
    weight, slot, saved = training()
    for step in (10, 20, 30):
        weight.assign(step)
        slot.assign(-step)
        history = [step]
        saved.save(step, {"step": step, "history": history})
        history.append("later")  # changes after `save` are not saved
        weight.assign(-1)
    saved.finish(30)
    weight, slot, saved = training()
    assert saved.restore() == {"step": 30, "history": [30]}
    assert (float(weight), float(slot)) == (30, -30)


def test_only_the_newest_checkpoints_are_kept(training, tmp_path):
    _, _, saved = training(kept=2)
    for step in range(5):
        saved.save(step, {})
    saved.finish(4)
    names = sorted(name for name in os.listdir(tmp_path / "newest") if name.endswith(".index"))
    assert names == ["step-3.index", "step-4.index"]


def test_the_best_weights_are_saved_separately(training):
    weight, slot, saved = training()
    saved.save_best(1)
    weight.assign(7)
    slot.assign(7)
    saved.save(2, {})
    saved.restore_best()
    assert (float(weight), float(slot)) == (1, 7)


@pytest.mark.parametrize("left", ["step-2.data-00000-of-00001", "step-2.index", "nothing"])
def test_a_checkpoint_that_is_not_complete_does_not_count(training, tmp_path, left):
    """TensorFlow first writes a checkpoint's files, and then writes the checkpoint's name to the
    file `checkpoint`."""
    weight, _, saved = training()
    weight.assign(10)
    saved.save(1, {"step": 1})
    saved.finish(1)
    state = (tmp_path / "newest" / "checkpoint").read_bytes()
    saved.save(2, {"step": 2})
    saved.finish(2)
    (tmp_path / "newest" / "checkpoint").write_bytes(state)
    for path in (tmp_path / "newest").glob("step-2*"):
        if path.name == left:
            path.write_bytes(path.read_bytes()[:10])
        else:
            path.unlink()
    weight, _, saved = training()
    assert saved.restore() == {"step": 1}
    assert float(weight) == 10


@pytest.mark.parametrize(
    "others",
    [
        [np.zeros([2])],
        [np.zeros([2]), np.zeros([3]), np.zeros([1])],
        [np.zeros([3]), np.zeros([2])],
    ],
    ids=["fewer", "more", "other shapes"],
)
def test_a_checkpoint_of_another_model_is_refused(tmp_path, others):
    """A checkpoint does not fit the model if, for example, it was written for another number of
    classes."""
    variables = [tf.Variable(value) for value in others]
    Checkpoints(str(tmp_path), variables, variables, kept=1).save(3, {})
    own = [tf.Variable(np.zeros([2])), tf.Variable(np.zeros([3]))]
    saved = Checkpoints(str(tmp_path), own, own, kept=1)
    message = rf"{tmp_path}/newest/step-3: damaged, or not a checkpoint .* \(.+\); .* {tmp_path}$"
    with pytest.raises(InputError, match=message):
        saved.restore()


@pytest.mark.parametrize("damaged", ["step-1.data-00000-of-00001", "step-1.index"])
def test_a_checkpoint_that_was_damaged(training, tmp_path, damaged):
    _, _, saved = training()
    saved.save(1, {"step": 1})
    saved.finish(1)
    path = tmp_path / "newest" / damaged
    path.write_bytes(path.read_bytes()[:10])
    with pytest.raises(InputError, match="step-1: damaged, or not a checkpoint of this training"):
        training()[2].restore()


@pytest.fixture
def small_file_limit():
    """Limits each file that this process writes to 100 kB, so a larger file causes an error, as on
    a full disk."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limits[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, limits)


@pytest.mark.parametrize("in_background", [False, True], ids=["in turn", "in background"])
@pytest.mark.parametrize("save", ["save", "save_best"])
def test_a_full_disk_leaves_the_checkpoint_before(tmp_path, request, save, in_background):
    def training():
        weights = [tf.Variable(np.zeros([100_000], np.float32))]
        options = {"kept": 1, "in_background": in_background}
        return *weights, Checkpoints(str(tmp_path), weights, weights, **options)

    weight, saved = training()
    weight.assign(np.ones_like(weight))
    saved.save(1, {"step": 1})
    saved.save_best(1)
    saved.finish(1)
    weight.assign(np.zeros_like(weight))
    request.getfixturevalue("small_file_limit")
    arguments = {"save": (2, {"step": 2}), "save_best": (2,)}[save]
    with pytest.raises(
        InputError, match=r"the checkpoint of step 2 cannot be written \(.*too large"
    ):
        getattr(saved, save)(*arguments)
        saved.finish(2)
    weight, saved = training()
    assert saved.restore() == {"step": 1}
    assert float(weight[0]) == 1
    weight.assign(np.zeros_like(weight))
    saved.restore_best()
    assert float(weight[0]) == 1


def test_another_worker_reads_what_the_first_one_wrote(training):
    weight, _, first = training()
    other_weight, _, other = training(writes=False)
    for value, saved in ((5, first), (6, other)):
        weight.assign(value)
        other_weight.assign(value)
        saved.save(value, {"step": value})
        saved.save_best(value)
        saved.finish(value)
    other.restore_best()
    assert float(other_weight) == 5
    assert other.restore() == {"step": 5}
    other.remove()
    assert first.restore() == {"step": 5}


def test_a_finished_training_cleans_up(training, tmp_path):
    threads = threading.active_count()
    _, _, saved = training()
    with saved:
        saved.save(1, {})
        saved.save_best(1)
    saved.remove()
    assert threading.active_count() == threads
    assert not tmp_path.exists()
    tmp_path.mkdir()  # pytest removes `tmp_path`, and fails if this folder does not exist
