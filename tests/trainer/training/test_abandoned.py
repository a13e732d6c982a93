import os

from trainer.training.abandoned import remove_abandoned

HOUR = 3600


def test_checkpoints_of_abandoned_trainings_are_bounded(tmp_path):
    """A directory is removed if it is older than a day and not among the three newest."""
    now = 1_000_000_000
    ages = {"a": 20, "b": 30, "present": 900, "c": 40, "d": 50, "e": 60}
    for name, hours in ages.items():
        (tmp_path / name / "newest").mkdir(parents=True)
        (tmp_path / name / "newest" / "step-1.index").touch()
        file = tmp_path / name / "newest" / "checkpoint"
        file.touch()
        os.utime(file, (now - hours * HOUR,) * 2)
    (tmp_path / "begun").mkdir()  # a training that has not written a checkpoint yet
    remove_abandoned(str(tmp_path), str(tmp_path / "present"), now=now)
    assert {path.name for path in tmp_path.iterdir()} == {"a", "b", "c", "present", "begun"}


def test_checkpoints_of_today_are_kept(tmp_path):
    now = 1_000_000_000
    for number in range(9):
        file = tmp_path / str(number) / "newest" / "checkpoint"
        file.parent.mkdir(parents=True)
        file.touch()
        os.utime(file, (now - number * HOUR,) * 2)
    remove_abandoned(str(tmp_path), str(tmp_path / "present"), now=now)
    assert len(list(tmp_path.iterdir())) == 9
    remove_abandoned(str(tmp_path / "nowhere"), "x", now=now)
