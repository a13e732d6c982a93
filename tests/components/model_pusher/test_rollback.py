"""Tests of rollbacks and of the removal of old versions."""

import os
import signal

import pytest

import pipeline_runner
from common.errors import InputError
from components.model_pusher import rollback
from components.model_pusher.publish import hold_serving_directory, publish
from components.model_pusher.push_records import read_records
from components.model_pusher.retention import remove_old_versions
from components.model_pusher.rollback import roll_back
from components.model_pusher.serving_directory import identity, newest_version
from tests.components.model_pusher.serving_models import (
    export_model,
    read_identities,
    read_record,
)
from tests.full_disk import full_disk


@pytest.fixture
def clock(monkeypatch):
    """Stops the clock at 1, so that the versions get the numbers 1, 2, 3, …

    The number of a new version is the time in seconds, but at least the number of the last version
    plus 1.
    """
    monkeypatch.setattr("components.model_pusher.publish.time.time", lambda: 1)


@pytest.fixture
def models(tmp_path):
    return [export_model(tmp_path / f"model{index}") for index in range(3)]


@pytest.fixture
def serving(tmp_path, clock, models):
    """Returns a serving directory with the three `models` as versions 1, 2 and 3."""
    base = tmp_path / "serving"
    with hold_serving_directory(str(base)):
        for model in models:
            publish(model, str(base))
    return base


def test_the_previous_version_is_served_under_a_new_number(serving, models):
    done = roll_back(str(serving), None)
    assert (done.served, done.copy_of, done.withdrawn) == (f"{serving}/4", 2, 3)
    assert newest_version(str(serving)) == f"{serving}/4"
    assert read_identities(serving) == [identity(models[i]) for i in (0, 1, 2, 1)]
    assert read_record(serving, 3)["withdrawn_at"]
    assert read_record(serving, 4)["copy_of"] == 2


def test_two_rollbacks_go_two_models_back(serving, models):
    roll_back(str(serving), None)
    done = roll_back(str(serving), None)
    assert (done.copy_of, done.withdrawn) == (1, 4)
    with pytest.raises(
        InputError, match=r"no version before \d+, the served one, that is a different model"
    ):
        roll_back(str(serving), None)
    assert read_identities(serving)[-1] == identity(models[0])


def test_going_forward_again_ends_the_withdrawal(serving, models):
    roll_back(str(serving), 1)
    assert roll_back(str(serving), 3).copy_of == 3
    withdrawn = {v for v, record in read_records(str(serving)).items() if record.withdrawn_at}
    assert withdrawn == {4}
    assert read_identities(serving)[-1] == identity(models[2])


def test_a_rollback_that_is_killed_late_has_withdrawn_the_old_version(serving):
    child = os.fork()
    if child == 0:

        def publish_and_die(*arguments, **options):
            publish(*arguments, **options)
            os.kill(os.getpid(), signal.SIGKILL)

        rollback.publish = publish_and_die
        roll_back(str(serving), None)
        os._exit(0)
    assert os.WTERMSIG(os.waitpid(child, 0)[1]) == signal.SIGKILL
    assert newest_version(str(serving)) == f"{serving}/4"
    assert read_record(serving, 3)["withdrawn_at"]


def test_a_rollback_on_a_full_disk_changes_nothing(serving):
    with full_disk(), pytest.raises(InputError) as raised:
        roll_back(str(serving), None)
    assert str(raised.value).startswith(f"--rollback: {serving} could not be changed (")
    assert f"{serving}/3 is still served; make the directory" in str(raised.value)
    assert len(read_identities(serving)) == 3
    assert roll_back(str(serving), None).copy_of == 2


@pytest.mark.parametrize(
    ("version", "message"),
    [(9, "--rollback 9: no such version in .*; found 1, 2, 3"), (3, "served already")],
)
def test_an_impossible_rollback_is_refused_and_changes_nothing(serving, version, message):
    with pytest.raises(InputError, match=message):
        roll_back(str(serving), version)
    assert len(read_identities(serving)) == 3


def test_an_empty_serving_directory_cannot_be_rolled_back(tmp_path):
    with pytest.raises(InputError, match="has no version"):
        roll_back(str(tmp_path / "serving"), None)
    assert not (tmp_path / "serving").exists()


def test_old_versions_are_removed_but_never_the_champion_nor_somebody_elses(serving, models):
    (serving / "0").mkdir()
    with hold_serving_directory(str(serving)):
        assert remove_old_versions(str(serving), keep=1, champion=identity(models[0])) == [2]
    assert sorted(path.name for path in serving.iterdir()) == [".pushed", "0", "1", "3"]
    assert set(read_records(str(serving))) == {1, 3}
    assert newest_version(str(serving)) == f"{serving}/3"


def test_the_command_needs_only_the_pipeline_root(serving, capsys):
    arguments = ["--pipeline-root", str(serving.parent), "--rollback"]
    assert pipeline_runner.main(arguments) == 0
    assert capsys.readouterr().out.splitlines() == [
        "version 3 is withdrawn: a run does not push that model again",
        f"served now: {serving}/4, a copy of version 2",
    ]
    assert pipeline_runner.main([*arguments, "3"]) == 0
    assert newest_version(str(serving)) == f"{serving}/5"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--rollback"], "no pipeline is named; expected --name"),
        (["--name", "flowers", "--rollback", "v1"], "--rollback v1: expected the number of a"),
        (["--name", "flowers", "--rollback"], "runs/flowers/serving has no version"),
    ],
)
def test_a_command_that_cannot_be_executed(tmp_path, monkeypatch, capsys, arguments, message):
    monkeypatch.chdir(tmp_path)
    assert pipeline_runner.main(arguments) == 2
    assert message in capsys.readouterr().err
