import os

import pytest
import tensorflow as tf

from trainer.checkpoints import Checkpoints, checkpoint_directory


@pytest.fixture
def training(tmp_path):
    """Checkpoints of a weight and of a variable of the optimizer."""

    def make(kept=2, **more):
        weight, slot = tf.Variable(1.0), tf.Variable(2.0)
        return weight, slot, Checkpoints(str(tmp_path), [weight, slot], [weight], kept=kept, **more)

    return make


def test_a_directory_is_known_by_what_determines_the_training():
    base = {"config": {"epochs": 1}, "examples": ["a"]}
    assert checkpoint_directory("root", **base) == checkpoint_directory("root", **base)
    assert checkpoint_directory("root", **base).startswith("root/")
    changed = base | {"config": {"epochs": 2}}
    assert checkpoint_directory("root", **changed) != checkpoint_directory("root", **base)


def test_nothing_to_go_back_to(training):
    assert training()[2].restore() == {}


def test_going_back_to_the_newest(training):
    weight, slot, saved = training()
    for step in (10, 20, 30):
        weight.assign(step)
        slot.assign(-step)
        saved.save(step, {"step": step, "history": [step]})
    weight, slot, saved = training()
    assert saved.restore() == {"step": 30, "history": [30]}
    assert (float(weight), float(slot)) == (30, -30)


def test_a_bounded_number_is_kept(training, tmp_path):
    _, _, saved = training(kept=2)
    for step in range(5):
        saved.save(step, {})
    names = sorted(name for name in os.listdir(tmp_path / "newest") if name.endswith(".index"))
    assert names == ["step-3.index", "step-4.index"]


def test_the_best_weights_are_apart(training):
    weight, slot, saved = training()
    saved.save_best(1)
    weight.assign(7)
    slot.assign(7)
    saved.save(2, {})
    saved.restore_best()
    assert (float(weight), float(slot)) == (1, 7)


@pytest.mark.parametrize("left", ["step-2.data-00000-of-00001", "step-2.index", "nothing"])
def test_a_checkpoint_that_is_not_complete_does_not_count(training, tmp_path, left):
    """As a process leaves it that is killed while it writes: it is not yet named the newest."""
    weight, _, saved = training()
    weight.assign(10)
    saved.save(1, {"step": 1})
    state = (tmp_path / "newest" / "checkpoint").read_bytes()
    saved.save(2, {"step": 2})
    (tmp_path / "newest" / "checkpoint").write_bytes(state)
    for path in (tmp_path / "newest").glob("step-2*"):
        if path.name == left:
            path.write_bytes(path.read_bytes()[:10])
        else:
            path.unlink()
    weight, _, saved = training()
    assert saved.restore() == {"step": 1}
    assert float(weight) == 10


def test_another_worker_reads_what_the_first_one_wrote(training):
    weight, _, first = training()
    other_weight, _, other = training(writes=False)
    for value, saved in ((5, first), (6, other)):
        weight.assign(value)
        other_weight.assign(value)
        saved.save(value, {"step": value})
        saved.save_best(value)
    other.restore_best()
    assert float(other_weight) == 5
    assert other.restore() == {"step": 5}
    other.remove()
    assert first.restore() == {"step": 5}


def test_a_finished_training_cleans_up(training, tmp_path):
    _, _, saved = training()
    saved.save(1, {})
    saved.save_best(1)
    saved.remove()
    assert not tmp_path.exists()
    tmp_path.mkdir()  # which pytest removes
