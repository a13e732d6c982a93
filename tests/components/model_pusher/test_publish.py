"""Tests that Pusher writes a version completely or not at all, even if Pusher is killed."""

import errno
import functools
import os
import signal
import sys

import pytest
import tensorflow as tf
from tfx.dsl.io import fileio

from common.errors import InputError
from common.lease import Timing, hold_lease
from components.model_pusher.publish import hold_serving_directory, publish, remove_leftovers
from components.model_pusher.push_records import read_records
from components.model_pusher.retention import remove_old_versions
from components.model_pusher.serving_directory import identity, newest_version
from components.model_pusher.versions import LARGEST, choose_version, list_versions
from tests.components.model_pusher.serving_models import export_model, read_identities

# Audit events that Python raises before it changes a file
# (docs.python.org/3/library/audit_events.html).
_EVENTS = ("open", "os.rename", "os.mkdir", "os.remove", "os.rmdir")


def push_whole(model, serving):
    with hold_serving_directory(str(serving)):
        return publish(model, str(serving))


def push_with_fault(model, serving, number: int, fault: str) -> str:
    """Pushes a model in a child process; a fault happens at one change to the serving directory.

    Args:
      model: the model to push.
      serving: the serving directory.
      number: the number of the change at which the fault happens, counted from 1.
      fault: "kill" kills the process at the change; "full disk" makes the change raise an OSError.

    Returns:
      "killed" if the fault killed the process; "failed" if the push raised an OSError; "pushed" if
      the push succeeded despite the fault; "undisturbed" if the push made fewer than `number`
      changes, so that no fault happened.
    """
    child = os.fork()
    if child == 0:
        seen = 0

        def meet(event, arguments):
            nonlocal seen
            if event not in _EVENTS or str(serving) not in str(arguments[0]):
                return
            if event == "open" and not set(str(arguments[1])) & set("wxa"):
                return
            seen += 1
            if seen == number:
                if fault == "kill":
                    os.kill(os.getpid(), signal.SIGKILL)
                raise OSError(errno.ENOSPC, "No space left on device", str(arguments[0]))

        sys.addaudithook(meet)
        try:
            push_whole(model, serving)
        except OSError:
            os._exit(1)
        os._exit(0 if seen < number else 2)
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        assert os.WTERMSIG(status) == signal.SIGKILL
        return "killed"
    return {0: "undisturbed", 1: "failed", 2: "pushed"}[os.WEXITSTATUS(status)]


@pytest.mark.parametrize(("fault", "end"), [("kill", "killed"), ("full disk", "failed")])
def test_a_fault_at_any_moment_leaves_the_old_or_the_new_state(tmp_path, fault, end):
    old, new = export_model(tmp_path / "old"), export_model(tmp_path / "new")
    number, ends, seen = 1, [], set()
    while not ends or ends[-1] != "undisturbed":
        serving = tmp_path / f"serving{number}"
        first = push_whole(old, serving)
        ends.append(push_with_fault(new, serving, number, fault))
        found = read_identities(serving)
        assert found in ([identity(old)], [identity(old), identity(new)])
        seen.add(len(found))
        if len(found) == 1:
            assert newest_version(str(serving)) == first
        again = push_whole(new, serving)  # the next run of the pipeline pushes again
        assert newest_version(str(serving)) == again
        assert read_identities(serving)[-1] == identity(new)
        assert set(os.listdir(serving)) == {".pushed", *list_versions(str(serving)).values()}
        records = {f"{version}.json" for version in list_versions(str(serving))}
        assert set(os.listdir(serving / ".pushed")) == records
        number += 1
    assert set(ends[:-1]) <= {end, "pushed"}
    # More than eight pushes ended with the fault, each at a different change: while writing the
    # record, making the folders, writing the files, or renaming the version.
    assert ends.count(end) > 8
    assert seen == {1, 2}


def test_two_pushes_in_one_second_get_two_numbers(tmp_path, monkeypatch):
    monkeypatch.setattr("components.model_pusher.publish.time.time", lambda: 1000.7)
    models = [export_model(tmp_path / str(index)) for index in range(2)]
    serving = tmp_path / "serving"
    pushed = [push_whole(model, serving) for model in models]
    assert pushed == [f"{serving}/1000", f"{serving}/1001"]
    assert read_identities(serving) == [identity(model) for model in models]


def test_processes_that_push_at_the_same_time_lose_nothing(tmp_path):
    models = [export_model(tmp_path / str(index)) for index in range(4)]
    serving = tmp_path / "serving"
    children = []
    for model in models:
        child = os.fork()
        if child == 0:
            push_whole(model, serving)
            os._exit(0)
        children.append(child)
    assert [os.waitpid(child, 0)[1] for child in children] == [0] * 4
    assert sorted(read_identities(serving)) == sorted(map(identity, models))


@pytest.mark.parametrize("name", ["20240101120000", "0099999999999"])
def test_the_version_number_exceeds_those_of_other_folders(tmp_path, name):
    serving = tmp_path / "serving"
    (serving / name).mkdir(parents=True)
    (serving / name / "notes").write_text("somebody else's")
    pushed = push_whole(export_model(tmp_path / "model"), serving)
    assert pushed == f"{serving}/{int(name) + 1}"
    assert (serving / name / "notes").read_text() == "somebody else's"


def test_the_greatest_number_of_all_is_refused(tmp_path):
    (tmp_path / str(LARGEST)).mkdir()
    with pytest.raises(InputError, match=f"{LARGEST}: found the greatest version number"):
        choose_version(str(tmp_path), 1)


@pytest.mark.parametrize("name", ["9" * 20, "٣", "1.5", "v9", "-1"])
def test_folders_whose_names_are_no_version_numbers_are_ignored(tmp_path, name):
    (tmp_path / name).mkdir()
    assert choose_version(str(tmp_path), 7) == 7


def test_a_damaged_record_is_named_and_its_version_kept(tmp_path, caplog):
    serving = tmp_path / "serving"
    pushed = push_whole(export_model(tmp_path / "model"), serving)
    (record,) = (serving / ".pushed").glob("*.json")
    for content in ("", "{", "[]", '{"version": 1}'):
        record.write_text(content)
        caplog.clear()
        assert read_records(str(serving)) == {}
        assert f"{record}: damaged record" in caplog.text
        assert newest_version(str(serving)) == pushed


@pytest.fixture
def bucket(tmp_path, monkeypatch):
    """Returns a file:// URL, which Pusher treats like a bucket: without renames or file locks."""
    timing = Timing(settle=0)
    monkeypatch.setattr(
        "components.model_pusher.publish.hold_lease", functools.partial(hold_lease, timing=timing)
    )
    return f"file://{tmp_path}/serving"


def test_in_a_bucket_a_version_counts_after_its_saved_model_pb_is_copied(
    tmp_path, bucket, monkeypatch
):
    old, new = export_model(tmp_path / "old"), export_model(tmp_path / "new")
    first = push_whole(old, bucket)
    names, copy = [], fileio.copy

    def copy_but_the_graph(source, target, *, overwrite):
        names.append(os.path.basename(target))
        assert newest_version(bucket) == first
        if names[-1] == "saved_model.pb":
            raise tf.errors.UnavailableError(None, None, "503")
        copy(source, target, overwrite=overwrite)

    monkeypatch.setattr(fileio, "copy", copy_but_the_graph)
    # The failed upload simulates a killed process. A killed process cannot call `remove_leftovers`,
    # so the test disables this function.
    monkeypatch.setattr("components.model_pusher.publish.remove_leftovers", lambda _: None)
    with pytest.raises(tf.errors.UnavailableError):
        push_whole(new, bucket)
    assert len(names) == 4
    assert len(list_versions(bucket)) == 2
    monkeypatch.setattr(fileio, "copy", copy)
    monkeypatch.setattr("components.model_pusher.publish.remove_leftovers", remove_leftovers)
    assert newest_version(bucket) == first
    second = push_whole(new, bucket)
    assert newest_version(bucket) == second
    assert read_identities(bucket) == [identity(old), identity(new)]
    assert set(read_records(bucket)) == set(list_versions(bucket))


def test_in_a_bucket_old_versions_are_removed(tmp_path, bucket):
    pushed = [push_whole(export_model(tmp_path / str(index)), bucket) for index in range(3)]
    with hold_serving_directory(bucket):
        removed = remove_old_versions(bucket, keep=1, champion="")
    assert [f"{bucket}/{version}" for version in removed] == pushed[:2]
    assert list(read_records(bucket)) == list(list_versions(bucket)) == [int(pushed[2][-10:])]
