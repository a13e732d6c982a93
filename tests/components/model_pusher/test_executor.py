"""Tests of ModelPusher's executor on real SavedModels."""

import json
import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest
import tensorflow as tf
from google.protobuf import json_format
from tfx.components.evaluator import constants
from tfx.proto import pusher_pb2
from tfx.types import standard_artifacts

from common.custom_config import to_custom_config
from common.errors import InputError
from components.model_pusher.executor import WAS_SERVED, Executor
from components.model_pusher.last_push import Serving
from components.model_pusher.rollback import roll_back
from components.model_pusher.serving_directory import identity, newest_version, served_state
from components.model_pusher.settings import PusherSettings
from components.vertex_endpoint.deploy import roll_back as roll_endpoint_back
from components.vertex_endpoint.settings import EndpointSettings
from tests.components.model_pusher.serving_models import read_record
from tests.full_disk import full_disk
from tests.vertex_models import serve_vertex_models


def write_model(folder: Path) -> Path:
    """Writes a SavedModel into the directory of a Model artifact; returns the directory."""
    module = tf.Module()
    module.weight = tf.Variable(1.0)
    tf.saved_model.save(module, str(folder / "Format-Serving"))
    return folder


def push(
    model: Path,
    serving: Path,
    output: Path,
    *,
    blessed: bool = True,
    refusal: str = "",
    fail_on_unblessed: bool = False,
    training: str = "one",
    keep: int = 5,
    accuracy: str = "",
    endpoint: EndpointSettings | None = None,
):
    """Runs the executor; returns the PushedModel artifact."""
    record = str(output.parent / "pushed.json")
    model_artifact, blessing = standard_artifacts.Model(), standard_artifacts.ModelBlessing()
    model_artifact.uri, blessing.uri = str(model), str(output / "blessing")
    blessing.set_int_custom_property(constants.ARTIFACT_PROPERTY_BLESSED_KEY, int(blessed))
    blessing.set_string_custom_property("accuracy", accuracy)
    if not blessed:
        blessing.set_string_custom_property("reasons", "accuracy 0.1 is too low")
    Path(blessing.uri).mkdir(parents=True)
    (Path(blessing.uri) / ("BLESSED" if blessed else "NOT_BLESSED")).touch()
    infra_blessing = standard_artifacts.InfraBlessing()
    infra_blessing.uri = str(output / "infra_blessing")
    infra_blessing.set_int_custom_property("blessed", int(not refusal))
    if refusal:
        infra_blessing.set_string_custom_property("reasons", refusal)
    pushed = standard_artifacts.PushedModel()
    pushed.uri = str(output / "pushed")
    destination = pusher_pb2.PushDestination(
        filesystem=pusher_pb2.PushDestination.Filesystem(base_directory=str(serving))
    )
    settings = PusherSettings(
        serving_state=Serving.find(record, str(serving)).key(training),
        push_record=record,
        training=training,
        fail_on_unblessed=fail_on_unblessed,
        keep_versions=keep,
        model_name="flowers",
        max_batch=4,
        endpoint=endpoint,
        code_fingerprint="",
    )
    Executor().Do(
        {
            "model": [model_artifact],
            "model_blessing": [blessing],
            "infra_blessing": [infra_blessing],
        },
        {"pushed_model": [pushed]},
        {
            "push_destination": json_format.MessageToJson(destination),
            "custom_config": to_custom_config(settings),
        },
    )
    return pushed


@pytest.fixture
def clock(monkeypatch):
    """Advances the clock by a second in each push, because version numbers are times in seconds."""
    seconds = iter(range(9, 100))
    clock = SimpleNamespace(time=lambda: next(seconds))
    monkeypatch.setattr("components.model_pusher.publish.time", clock)


@pytest.fixture
def serving(tmp_path):
    return tmp_path / "serving"


def versions(serving):
    return sorted((path.name for path in serving.iterdir() if path.name.isdecimal()), key=int)


@pytest.mark.usefixtures("clock")
def test_a_model_is_pushed_once(tmp_path, serving):
    model = write_model(tmp_path / "model")
    first = push(model, serving, tmp_path / "1")
    second = push(model, serving, tmp_path / "2")
    assert [p.get_int_custom_property(WAS_SERVED) or 0 for p in (first, second)] == [0, 1]
    assert versions(serving) == ["9"]
    for pushed in (first, second):
        assert pushed.get_int_custom_property("pushed") == 1
        assert pushed.get_string_custom_property("pushed_destination") == f"{serving}/9"
        assert pushed.get_string_custom_property("pushed_version") == "9"
        assert (Path(pushed.uri) / "saved_model.pb").is_file()
    tf.saved_model.load(f"{serving}/9")


@pytest.mark.usefixtures("clock")
def test_every_change_of_the_model_is_a_new_version(tmp_path, serving):
    one, other = write_model(tmp_path / "one"), write_model(tmp_path / "other")
    push(one, serving, tmp_path / "1")
    push(other, serving, tmp_path / "2")
    # Version 10 is newer than version 9, although the string "10" sorts before "9".
    assert newest_version(str(serving)) == f"{serving}/10"
    push(one, serving, tmp_path / "3")
    assert versions(serving) == ["9", "10", "11"]


@pytest.mark.usefixtures("clock")
@pytest.mark.parametrize("vanished", ["", "saved_model.pb", "variables"])
def test_a_model_that_vanished_is_pushed_again(tmp_path, serving, vanished):
    model = write_model(tmp_path / "model")
    push(model, serving, tmp_path / "1")
    before = served_state(str(serving))
    path = serving / "9" / vanished
    path.unlink() if path.is_file() else shutil.rmtree(path)
    assert served_state(str(serving)) != before
    push(model, serving, tmp_path / "2")
    assert newest_version(str(serving)) == f"{serving}/10"
    assert identity(f"{serving}/10") == identity(f"{model}/Format-Serving")


@pytest.mark.usefixtures("clock")
def test_a_model_that_is_not_blessed_is_never_pushed(tmp_path, serving):
    model = write_model(tmp_path / "model")
    pushed = push(model, serving, tmp_path / "1", blessed=False)
    assert pushed.get_int_custom_property("pushed") == 0
    assert not serving.exists()
    push(model, serving, tmp_path / "2")
    again = push(model, serving, tmp_path / "3", blessed=False)
    assert again.get_int_custom_property("pushed") == 0


def state(serving, training="one"):
    """Returns the part of the next run's cache key that describes the serving directory."""
    return Serving.find(str(serving.parent / "pushed.json"), str(serving)).key(training)


@pytest.mark.usefixtures("clock")
def test_an_identical_run_finds_the_state_before_the_push(tmp_path, serving):
    before = state(serving)
    assert state(serving) == before
    push(write_model(tmp_path / "model"), serving, tmp_path / "1")
    assert state(serving) == before
    other = state(serving, "two")
    assert other == state(serving, "two") != before
    push(write_model(tmp_path / "other"), serving, tmp_path / "2", training="two")
    assert state(serving, "two") == other
    # The second model is served now, so a run that trains the first model again must push the first
    # model again.
    assert state(serving) not in (before, other)


@pytest.mark.usefixtures("clock")
def test_a_lost_serving_directory_changes_the_state_each_time(tmp_path, serving):
    seen = [state(serving)]
    model = write_model(tmp_path / "model")
    for number in range(3):
        push(model, serving, tmp_path / str(number))
        shutil.rmtree(serving)
        seen.append(state(serving))
        assert state(serving) == seen[-1]
    assert len(set(seen)) == len(seen)


@pytest.mark.usefixtures("clock")
def test_weights_that_were_changed_in_place_are_named_and_pushed_again(tmp_path, serving, caplog):
    """`identity` does not read the weights, so it misses a change that keeps the file's size."""
    model = write_model(tmp_path / "model")
    push(model, serving, tmp_path / "1")
    pushed = state(serving)
    weights = serving / "9" / "variables" / "variables.data-00000-of-00001"
    content = bytearray(weights.read_bytes())
    content[0] ^= 1
    weights.write_bytes(bytes(content))
    assert identity(f"{serving}/9") == identity(f"{model}/Format-Serving")
    assert state(serving) != pushed
    assert f"{weights} has changed since it was recorded: the served model" in caplog.text
    push(model, serving, tmp_path / "2")
    assert versions(serving) == ["9", "10"]
    tf.saved_model.load(f"{serving}/10")


@pytest.mark.usefixtures("clock")
@pytest.mark.parametrize("content", ["", "{", "[]", '{"training": "one"}'])
def test_a_damaged_record_of_the_last_push_is_named(tmp_path, serving, content, caplog):
    push(write_model(tmp_path / "model"), serving, tmp_path / "1")
    (tmp_path / "pushed.json").write_text(content)
    assert state(serving) == served_state(str(serving))
    assert f"{tmp_path}/pushed.json: is damaged" in caplog.text


@pytest.mark.usefixtures("clock")
def test_moving_a_version_changes_the_state_and_a_folder_beside_it_does_not(tmp_path, serving):
    push(write_model(tmp_path / "model"), serving, tmp_path / "1")
    before = served_state(str(serving))
    (serving / "cards" / "9").mkdir(parents=True)
    assert served_state(str(serving)) == before
    (serving / "9").rename(tmp_path / "9")
    (tmp_path / "9").rename(serving / "9")
    assert served_state(str(serving)) != before


def test_a_folder_that_is_no_version_is_not_served(serving):
    (serving / "notes").mkdir(parents=True)
    assert newest_version(str(serving)) is None
    assert served_state(str(serving)) is None


def test_an_unblessed_model_is_not_pushed_and_the_artifact_has_the_reason(serving, tmp_path):
    pushed = push(write_model(tmp_path / "model"), serving, tmp_path / "out", blessed=False)
    assert pushed.get_int_custom_property("pushed") == 0
    reason = pushed.get_string_custom_property("reason")
    assert reason == "not pushed, the model is not blessed by the gate: accuracy 0.1 is too low"
    assert not serving.exists()


@pytest.mark.parametrize(
    ("blessed", "reason"),
    [
        (True, "refused by ServingCheck: no bytes: valid is True"),
        (
            False,
            "not blessed by the gate: accuracy 0.1 is too low; refused by ServingCheck: no bytes: "
            "valid is True",
        ),
    ],
)
def test_a_model_that_servingcheck_refuses_is_not_pushed(serving, tmp_path, blessed, reason):
    model = write_model(tmp_path / "model")
    pushed = push(
        model, serving, tmp_path / "out", blessed=blessed, refusal="no bytes: valid is True"
    )
    assert pushed.get_string_custom_property("reason") == f"not pushed, the model is {reason}"
    assert not serving.exists()


def test_an_unblessed_model_fails_the_node_with_fail_on_unblessed(serving, tmp_path):
    with pytest.raises(InputError, match=r"not blessed by the gate: accuracy 0\.1"):
        push(
            write_model(tmp_path / "model"),
            serving,
            tmp_path / "out",
            blessed=False,
            fail_on_unblessed=True,
        )


@pytest.mark.usefixtures("clock")
def test_old_versions_are_removed_after_a_push(tmp_path, serving):
    for number in range(4):
        push(write_model(tmp_path / f"m{number}"), serving, tmp_path / str(number), keep=2)
    assert versions(serving) == ["11", "12"]


@pytest.mark.usefixtures("clock")
def test_a_withdrawn_model_is_not_pushed_again_and_the_run_says_why(tmp_path, serving):
    models = [write_model(tmp_path / f"m{number}") for number in range(2)]
    for number, model in enumerate(models):
        push(model, serving, tmp_path / str(number))
    roll_back(str(serving), None)
    pushed = push(models[1], serving, tmp_path / "again")
    assert pushed.get_int_custom_property("pushed") == 0
    reason = pushed.get_string_custom_property("reason")
    assert reason.startswith("not pushed, version 10 is this model and was withdrawn by a rollback")
    assert "--rollback 10" in reason
    assert versions(serving) == ["9", "10", "11"]


@pytest.mark.usefixtures("clock")
def test_the_root_and_the_serving_directory_each_store_a_model_once(tmp_path, serving):
    model = write_model(tmp_path / "model")
    pushed = push(model, serving, tmp_path / "out")
    for path in (model / "Format-Serving").rglob("*"):
        if path.is_file():
            name = path.relative_to(model / "Format-Serving")
            assert path.samefile(Path(pushed.uri) / name)
            assert not path.samefile(serving / "9" / name)


def test_a_serving_directory_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "serving").write_text("a file")
    with pytest.raises(InputError, match=r"serving: the model could not be written there \("):
        push(write_model(tmp_path / "model"), tmp_path / "serving", tmp_path / "out")


@pytest.mark.usefixtures("clock")
def test_a_full_disk_is_named_and_the_old_version_is_still_served(tmp_path, serving):
    models = [write_model(tmp_path / f"m{number}") for number in range(2)]
    push(models[0], serving, tmp_path / "1")
    with full_disk(), pytest.raises(InputError) as raised:
        push(models[1], serving, tmp_path / "2")
    message = str(raised.value)
    assert message.startswith(f"{serving}: the model could not be written there (")
    assert "File too large" in message  # the error of the simulated full disk (tests/full_disk.py)
    assert f"{serving}/9 is still served; make the directory writable, with room" in message
    assert versions(serving) == ["9"]
    tf.saved_model.load(f"{serving}/9")
    push(models[1], serving, tmp_path / "3")
    assert len(versions(serving)) == 2


@pytest.mark.usefixtures("clock")
def test_a_failure_to_write_the_artifact_is_named(tmp_path, serving):
    """The error occurs after the push, when the version is already in the serving directory.

    The next run finds the version in the serving directory, and does not push the model again.
    """
    model = write_model(tmp_path / "model")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "pushed").write_text("no directory can be made here")
    with pytest.raises(InputError) as raised:
        push(model, serving, tmp_path / "out")
    assert str(raised.value).startswith(f"{serving}/9 is served, but its record could not be")
    push(model, serving, tmp_path / "again")
    assert versions(serving) == ["9"]


@pytest.mark.usefixtures("clock")
def test_foreign_files_are_left_alone_and_do_not_prevent_a_push(tmp_path, serving):
    (serving / ".pushed").mkdir(parents=True)
    others = {"20240101120000": "a file", "notes.txt": "mine", "models.config": "# mine"}
    others[".pushed/mine.json"] = "{}"
    for name, text in others.items():
        (serving / name).write_text(text)
    (serving / "20250101120000").mkdir()
    push(write_model(tmp_path / "model"), serving, tmp_path / "1", keep=1)
    assert newest_version(str(serving)) == f"{serving}/20250101120001"
    assert {name: (serving / name).read_text() for name in others} == others
    assert (serving / "20250101120000").is_dir()


@pytest.mark.usefixtures("clock")
def test_a_file_in_the_way_of_the_records_is_named(tmp_path, serving):
    push(write_model(tmp_path / "m0"), serving, tmp_path / "1")
    shutil.rmtree(serving / ".pushed")
    (serving / ".pushed").write_text("mine")
    with pytest.raises(InputError, match="could not be written there") as raised:
        push(write_model(tmp_path / "m1"), serving, tmp_path / "2")
    assert "\n" not in str(raised.value)
    assert versions(serving) == ["9"]


def test_a_bucket_that_cannot_be_reached_is_named(tmp_path):
    """The test uses an unknown scheme, because an unreachable bucket fails only after minutes."""
    with pytest.raises(InputError, match=r"nosuch://bucket/serving: the model could not be") as e:
        push(write_model(tmp_path / "model"), "nosuch://bucket/serving", tmp_path / "out")
    assert "the served version was not changed" in str(e.value)


@pytest.mark.usefixtures("clock")
def test_a_change_of_the_classes_is_named(tmp_path, serving, caplog):
    models = [write_model(tmp_path / f"m{number}") for number in range(3)]
    for model, names in zip(models, (["a", "b"], ["a", "c", "d"], ["a", "c", "d"]), strict=True):
        folder = model / "Format-Serving" / "assets.extra"
        folder.mkdir()
        (folder / "classes.json").write_text(json.dumps(names))
    push(models[0], serving, tmp_path / "1")
    assert "no champion" not in caplog.text
    push(models[1], serving, tmp_path / "2")
    assert (
        f"{serving}/9: this served model has 2 classes, and the new model 3, without b and with "
        "the new c, d; there was no champion" in caplog.text
    )
    caplog.clear()
    push(models[2], serving, tmp_path / "3")
    assert "no champion" not in caplog.text


@pytest.fixture
def vertex(monkeypatch, tmp_path):
    with serve_vertex_models(monkeypatch, tmp_path) as server:
        yield server


@pytest.mark.usefixtures("clock")
def test_a_pushed_model_is_deployed_to_an_endpoint(tmp_path, serving, vertex):
    endpoint = EndpointSettings(
        pipeline="flowers",
        project="p",
        region="europe-west4",
        endpoint="prod",
        traffic=10,
        container="europe-west4-docker.pkg.dev/p/vit/tensorflow-serving:2.19.1",
        machine_type="n1-standard-4",
        accelerator_type="",
        accelerator_count=0,
        min_replicas=1,
        max_replicas=1,
        service_account=None,
        encryption_key=None,
        labels={"team": "vision"},
        api_endpoint=vertex.url,
    )
    models = [write_model(tmp_path / f"m{number}") for number in range(2)]
    run = tmp_path / "123" / "flowers-20261127" / "Pusher_1"
    pushed = push(models[0], serving, run, accuracy="0.9614", endpoint=endpoint)
    name = "projects/123/locations/europe-west4/endpoints/5000"
    assert pushed.get_string_custom_property("endpoint") == name
    labels = {"pipeline": "flowers", "run": "flowers-20261127", "accuracy": "0_9614"}
    assert vertex.versions["1"]["labels"] == labels | {"team": "vision"}
    assert read_record(serving, 9)["accuracy"] == 0.9614
    push(models[1], serving, tmp_path / "2", endpoint=endpoint)
    assert vertex.traffic() == {"1": 90, "2": 10}
    push(models[1], serving, tmp_path / "3", endpoint=endpoint)  # nothing new
    assert (len(vertex.versions), vertex.traffic()) == (2, {"1": 90, "2": 10})
    roll_endpoint_back(endpoint)
    refused = push(models[1], serving, tmp_path / "4", endpoint=endpoint)
    assert refused.get_int_custom_property("pushed") == 0
    reason = refused.get_string_custom_property("reason")
    assert reason.startswith("not deployed: this model is version 2 of flowers in Vertex AI's")
    assert vertex.traffic() == {"1": 100}
