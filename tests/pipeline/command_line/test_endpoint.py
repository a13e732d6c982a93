"""Tests of the commands for an endpoint of Vertex AI, with the real google-cloud-aiplatform.

A local server from tests/vertex_models.py replaces Vertex AI and Google's token server. The
function that copies a model to a bucket is mocked.
"""

import json
import shutil
from types import SimpleNamespace

import pytest
from google.cloud.aiplatform_v1.types import MachineSpec

from components.model_pusher.publish import hold_serving_directory, publish
from components.vertex_endpoint import stage
from tests.captured_run import run_captured
from tests.components.model_pusher.serving_models import export_model
from tests.pipeline.runners.server import REFUSALS
from tests.vertex_models import serve_vertex_models

TARGET = ["--name", "flowers", "--project", "p", "--region", "europe-west4", "--endpoint", "prod"]
CONTAINER = "europe-west4-docker.pkg.dev/p/vit/tensorflow-serving:2.19.1"


@pytest.fixture
def vertex(monkeypatch, tmp_path):
    with serve_vertex_models(monkeypatch, tmp_path) as server:
        monkeypatch.chdir(tmp_path)
        yield server


@pytest.fixture
def push(tmp_path, monkeypatch):
    """Returns a function that pushes a new model to the serving directory."""
    numbers = iter(range(1, 100))
    clock = SimpleNamespace(time=lambda: next(numbers))
    monkeypatch.setattr("components.model_pusher.publish.time", clock)

    def push(run="flowers-1", accuracy=0.9614):
        model = export_model(tmp_path / f"model{run}{accuracy}")
        with hold_serving_directory(str(tmp_path / "serving")):
            return publish(model, str(tmp_path / "serving"), run=run, accuracy=accuracy)

    return push


@pytest.fixture
def command(vertex, tmp_path, capsys):
    """Returns a function that runs a command and returns its exit status, stdout and stderr."""

    def command(*arguments):
        more = ["--set", f"cloud.api_endpoint={vertex.url}", "--serving-dir", f"{tmp_path}/serving"]
        container = ["--set", f"endpoint.container={CONTAINER}"]
        status, out, err = run_captured(*TARGET, *more, *container, *arguments)
        return status, out, err + capsys.readouterr().err

    return command


def test_the_first_model_of_an_endpoint_gets_all_requests(command, vertex, push, tmp_path):
    push()
    status, out, err = command(
        "--set", "endpoint.machine_type=g2-standard-8", "--set", "endpoint.accelerator=NVIDIA_L4:1",
        "--set", "endpoint.min_replicas=2", "--set", "endpoint.max_replicas=5",
        "--set", "cloud.labels=team=vision", "--service-account", "sa@p.iam.gserviceaccount.com",
    )  # fmt: skip
    assert (status, err) == (0, "")
    assert out.splitlines() == [
        f"deployed: {tmp_path}/serving/1 as version 1 of flowers",
        "endpoint: projects/123/locations/europe-west4/endpoints/5000: "
        "the version gets 100 % of the requests",
    ]
    (version,) = vertex.versions.values()
    labels = {"team": "vision", "pipeline": "flowers", "run": "flowers-1", "accuracy": "0_9614"}
    assert version["labels"] == labels
    assert version["artifactUri"] == "gs://bucket/1"
    container = version["containerSpec"]
    assert container["imageUri"] == CONTAINER
    assert container["predictRoute"] == "/v1/models/flowers:predict"
    assert "--model_base_path=$(AIP_STORAGE_URI)" in container["args"]
    assert f"--rest_api_port={container['ports'][0]['containerPort']}" in container["args"]
    (endpoint,) = vertex.endpoints.values()
    assert endpoint["displayName"] == "prod"
    assert endpoint["labels"] == {"team": "vision", "pipeline": "flowers"}
    (deployed,) = endpoint["deployedModels"]
    assert deployed["serviceAccount"] == "sa@p.iam.gserviceaccount.com"
    resources = deployed["dedicatedResources"]
    machine = MachineSpec.from_json(json.dumps(resources["machineSpec"]))
    assert machine.machine_type == "g2-standard-8"
    assert (machine.accelerator_type.name, machine.accelerator_count) == ("NVIDIA_L4", 1)
    assert (resources["minReplicaCount"], resources["maxReplicaCount"]) == (2, 5)


def test_a_candidate_is_promoted_and_rolled_back(command, vertex, push):
    push()
    assert command()[0] == 0
    assert (vertex.aliases(), vertex.traffic()) == ({"default": "1"}, {"1": 100})
    push("flowers-2")
    assert "the version gets 10 % of the requests" in command()[1]
    assert vertex.aliases() == {"default": "1", "candidate": "2"}
    assert vertex.traffic() == {"1": 90, "2": 10}
    assert "the version gets 25 % of the requests" in command("--traffic", "25")[1]
    assert (len(vertex.versions), vertex.traffic()) == (2, {"1": 75, "2": 25})
    assert "promoted: version 2 of flowers is the default" in command("--promote")[1]
    assert vertex.aliases() == {"previous": "1", "default": "2"}
    assert vertex.traffic() == {"1": 0, "2": 100}
    status, out, err = command("--rollback")
    assert (status, err) == (0, "")
    assert "rolled back: version 1 of flowers is the default" in out
    assert vertex.aliases() == {"default": "1", "withdrawn": "2"}
    assert vertex.traffic() == {"1": 100}


@pytest.mark.parametrize("number", [1, 3, 4])
def test_a_rollback_that_is_repeated_after_an_error_goes_back_by_one_version(
    command, vertex, push, number
):
    """The server executes each request, but one response to the first `--rollback` is lost.

    `number` is the index of the lost response among the responses to POST and PATCH requests.
    """
    for run in ("flowers-1", "flowers-2", "flowers-3"):
        push(run)
        assert command()[0] == 0
        if run != "flowers-1":
            assert command("--promote")[0] == 0
    assert vertex.aliases() == {"previous": "2", "default": "3"}
    changes, answer = [], vertex.answer

    def lose(request):
        result = answer(request)
        if request.method in ("POST", "PATCH") and request.path != "/token":
            changes.append(request.path)
            if len(changes) == number + 1:
                return 0, None
        return result

    vertex.answer = lose
    statuses = [command("--rollback")[0]]
    if statuses == [1]:
        statuses.append(command("--rollback")[0])
    # If `number` is 4, the response to the last request is lost, so the first `--rollback` has made
    # all of its changes. The second `--rollback` then fails, because no version has the alias
    # `previous`.
    assert statuses == [1, 0 if number < 4 else 1]
    assert vertex.aliases() == {"default": "2", "withdrawn": "3"}
    assert vertex.traffic() == {"2": 100}


def test_a_third_model_replaces_the_second_before_it_was_promoted(command, vertex, push):
    for run in ("flowers-1", "flowers-2", "flowers-3"):
        push(run)
        assert command("--traffic", "20")[0] == 0
    assert vertex.aliases() == {"default": "1", "candidate": "3"}
    assert vertex.traffic() == {"1": 80, "3": 20}
    assert command("--rollback")[0] == 0
    assert vertex.aliases() == {"default": "1", "withdrawn": "3"}
    assert vertex.traffic() == {"1": 100}
    assert command("--promote")[0] == 1
    # Without `--promote` or `--rollback`, the command deploys the newest version in the serving
    # directory, even if a rollback has withdrawn that version.
    assert command()[0] == 0
    assert vertex.aliases() == {"default": "1", "candidate": "3"}


def test_an_existing_endpoint_is_named_by_its_resource_name(command, vertex, push):
    push()
    assert command()[0] == 0
    push("flowers-2")
    name = "projects/p/locations/europe-west4/endpoints/5000"
    arguments = [name if argument == "prod" else argument for argument in TARGET]
    more = ["--set", f"cloud.api_endpoint={vertex.url}", "--promote"]
    status, _, err = run_captured(*arguments, *more, "--pipeline-root", ".")
    assert status == 1
    assert "--promote: flowers has no candidate in Vertex AI's registry; found version 1" in err


# Each key names a request that the server refuses. Each value contains the arguments of the command
# that sends the request, the HTTP method of the request, and the end of its path.
STEPS = {
    "list versions": ([], "GET", ":listVersions"),
    "upload": ([], "POST", "/models:upload"),
    "list endpoints": ([], "GET", "/endpoints"),
    "deploy": ([], "POST", ":deployModel"),
    "alias": (["--promote"], "POST", ":mergeVersionAliases"),
    "traffic": (["--promote"], "PATCH", "/endpoints/5000"),
    "undeploy": (["--rollback"], "POST", ":undeployModel"),
}


# In one test case for each request in `STEPS`, the server refuses the request with status 403. In
# the other test cases, the server refuses the upload with another status from `REFUSALS`.
REFUSED = [(step, REFUSALS[1]) for step in STEPS] + [("upload", r) for r in REFUSALS if r[0] != 403]


@pytest.mark.parametrize(("step", "refusal"), REFUSED)
def test_an_error_is_one_line_and_the_same_command_goes_on(command, vertex, push, step, refusal):
    status, expected = refusal
    arguments, method, end = STEPS[step]
    push()
    assert command()[0] == 0
    push("flowers-2")
    if arguments:
        assert command()[0] == 0
    before = vertex.traffic()
    # After status 401, the client repeats the request up to twice, so the command fails only if the
    # server refuses the request three times.
    vertex.fail(method, end, status, times=3 if status == 401 else 1)
    exit_status, _, err = command(*arguments)
    assert exit_status == 1
    assert len(err.splitlines()) == 1
    assert expected in err or (status == 0 and "the connection failed" in err)
    if step not in ("alias", "undeploy"):
        assert vertex.traffic() == before
    assert not vertex._failures
    assert command(*arguments)[0] == 0
    expected_traffic = {"--promote": 100, "--rollback": None}.get(*arguments or [""], 10)
    assert vertex.traffic().get("2") == expected_traffic


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["--promote"], 1, "--endpoint prod: there is no such endpoint in p, europe-west4"),
        (["--rollback"], 1, "--endpoint prod: there is no such endpoint in p, europe-west4"),
        (
            ["--rollback", "3"],
            2,
            "--rollback 3: an endpoint can only go back to the previous version",
        ),
        ([], 1, "serving has no version; expected a version that a run of the pipeline pushed"),
        (["--traffic", "101"], 2, "--traffic 101: expected a whole number from 0 to 100"),
        (["--set", "endpoint.max_replicas=0"], 2, "expected a whole number of at least 1"),
        (["--set", "endpoint.min_replicas=2"], 2, "endpoint.max_replicas 1: expected at least"),
        (["--set", "endpoint.accelerator=T4"], 2, "expected TYPE:COUNT"),
    ],
)
def test_a_command_that_cannot_be_executed(command, arguments, status, message):
    exit_status, _, err = command(*arguments)
    assert exit_status == status
    assert message in err
    assert len(err.splitlines()) == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--name", "flowers", "--promote"], "--promote: found no --endpoint"),
        (["--endpoint", "prod"], "no pipeline is named; expected --name"),
        (["--name", "flowers", "--endpoint", "prod"], "found no --project or no --region"),
        (
            ["--model", "vit_b16_fe", "--endpoint", "prod"],
            "--endpoint: has no effect with --runner local; expected --runner vertex",
        ),
        (
            ["--model", "vit_b16_fe", "--runner", "vertex", "--traffic", "20"],
            "--traffic: has no effect without --endpoint",
        ),
        (
            ["--model", "vit_b16_fe", "--runner", "vertex", *TARGET, "--pipeline-root", "gs://b/r"],
            "--endpoint prod: found no endpoint.container; expected the image of TensorFlow",
        ),
    ],
)
def test_options_that_are_missing_or_have_no_effect(capsys, arguments, message):
    import pipeline_runner

    assert pipeline_runner.main(arguments) == 2
    assert message in capsys.readouterr().err


def test_two_endpoints_of_one_name(command, vertex, push):
    push()
    assert command()[0] == 0
    vertex.endpoints["5001"] = vertex.endpoints["5000"] | {
        "name": "projects/123/locations/europe-west4/endpoints/5001"
    }
    status, _, err = command()
    assert status == 1
    assert "--endpoint prod: 2 endpoints have this name; expected one of projects/123" in err


def test_a_name_that_a_model_cannot_have(command, push, vertex, tmp_path):
    push()
    arguments = ["7-flowers" if argument == "flowers" else argument for argument in TARGET]
    more = ["--set", f"cloud.api_endpoint={vertex.url}", "--serving-dir", f"{tmp_path}/serving"]
    status, _, err = run_captured(*arguments, *more, "--set", f"endpoint.container={CONTAINER}")
    assert status == 1
    assert (
        "--name 7-flowers: expected at most 63 characters of a-z, 0-9 and -, the first a letter"
        in err
    )


def test_a_version_is_copied_to_a_folder_of_its_own(tmp_path, monkeypatch):
    monkeypatch.setattr(stage, "_SCHEME", "file://")
    serving, model = tmp_path / "serving", export_model(tmp_path / "model")
    with hold_serving_directory(str(serving)):
        first = publish(model, str(serving))
        second = publish(model, str(serving))
    for version in (first, second):
        staged = stage.stage_version(f"file://{version}").removeprefix("file://")
        name = version.rpartition("/")[2]
        assert staged == f"{serving}/.vertex/{name}"
        files = {p.relative_to(f"{staged}/{name}") for p in (tmp_path / staged).rglob("*.*")}
        assert files == {p.relative_to(version) for p in (tmp_path / version).rglob("*.*")}
    shutil.rmtree(first)
    stage.stage_version(f"file://{second}")
    assert [p.name for p in (serving / ".vertex").iterdir()] == [second.rpartition("/")[2]]


def test_a_version_on_a_disk_is_refused(command, push, monkeypatch, tmp_path):
    monkeypatch.setattr("components.vertex_endpoint.deploy.stage_version", stage.stage_version)
    push()
    status, _, err = command()
    assert status == 1
    assert f"{tmp_path}/serving/1: Vertex AI reads models from a bucket" in err
