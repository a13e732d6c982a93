"""Tests of the submission to Vertex AI, with the real google-cloud-aiplatform.

A local server replaces Vertex AI, Google's token server and Cloud Storage. The server parses
requests with the protos of Google and kfp, and refuses requests that the documentation of Vertex AI
forbids. The server refuses every request to Cloud Storage, but the client must still submit the
pipeline. The tests generate the key of the service account.
"""

import json
import re

import pytest
from google.cloud.aiplatform_v1.types import AcceleratorType, PipelineJob, Schedule
from google.protobuf import json_format
from kfp.pipeline_spec import pipeline_spec_pb2

from pipeline.runners import backend
from tests.account import write_account
from tests.captured_run import run_captured
from tests.compiled.cluster import JobError, check, read_parameters
from tests.pipeline.runners.server import (
    FINAL,
    FIVE_FIELDS,
    PASSING,
    REFUSALS,
    Api,
    ApiError,
    check_times,
    serving,
)

STEPS_ACCELERATORS = {kind.name for kind in AcceleratorType if kind.name.startswith("NVIDIA")}
PLACE = "/v1/projects/p/locations/europe-west4"


class Vertex(Api):
    """An in-memory stand-in for the pipeline jobs and schedules of Vertex AI."""

    ROUTES = (
        ("POST", "/token", "token"),
        ("GET", "/storage/v1/b/.*", "bucket"),
        ("POST", f"{PLACE}/pipelineJobs", "create_job"),
        ("GET", f"{PLACE}/pipelineJobs/([^/]+)", "get_job"),
        ("POST", f"{PLACE}/schedules", "create_schedule"),
        ("GET", f"{PLACE}/schedules", "list_schedules"),
        ("GET", f"{PLACE}/schedules/([^/:]+)", "get_schedule"),
        ("POST", f"{PLACE}/schedules/([^/:]+):pause", "pause"),
        ("POST", f"{PLACE}/schedules/([^/:]+):resume", "resume"),
        ("DELETE", f"{PLACE}/schedules/([^/:]+)", "delete"),
    )

    def __init__(self):
        super().__init__()
        self.jobs, self.schedules = {}, {}
        self.states = ["PIPELINE_STATE_RUNNING", "PIPELINE_STATE_SUCCEEDED"]
        self.pushed = {"pushed": 1.0}
        self.task = "Pusher"

    def check(self, request):
        if request.path.startswith("/v1/") and not request.headers.get(
            "authorization", ""
        ).startswith("Bearer "):
            raise ApiError(401, "Request is missing required authentication credential.")

    def error(self, status, message):
        return {"error": {"code": status, "message": message, "status": "ERROR"}}

    def token(self, request):
        return {"access_token": "token", "expires_in": 3600, "token_type": "Bearer"}

    def bucket(self, request):
        raise ApiError(403, "no storage.buckets.get")

    def create_job(self, request):
        name = request.query["pipelineJobId"]
        if not re.fullmatch("[a-z][-a-z0-9]{0,127}", name):
            raise ApiError(400, f"invalid id {name}")
        if name in self.jobs:
            raise ApiError(409, f"{name} exists")
        self.jobs[name] = self._valid_job(request.json)
        return self.jobs[name] | {
            "name": f"{PLACE[4:]}/pipelineJobs/{name}",
            "state": "PIPELINE_STATE_PENDING",
        }

    def get_job(self, request, name):
        if name not in self.jobs:
            raise ApiError(404, f"{name} not found")
        state = self.states.pop(0) if len(self.states) > 1 else self.states[0]
        task = {"taskName": self.task, "state": state.removeprefix("PIPELINE_STATE_")}
        if task["state"] == "SUCCEEDED":
            task["outputs"] = {"pushed_model": {"artifacts": [{"metadata": self.pushed}]}}
        return self.jobs[name] | {
            "name": f"{PLACE[4:]}/pipelineJobs/{name}",
            "state": state,
            "jobDetail": {"taskDetails": [task]},
        }

    def create_schedule(self, request):
        Schedule.from_json(request.body)
        content = request.json
        self._valid_job(content["createPipelineJobRequest"]["pipelineJob"])
        if not FIVE_FIELDS.fullmatch(re.sub(r"^TZ=\S+ ", "", content["cron"])):
            raise ApiError(400, f"Invalid cron: {content['cron']}")
        check_times(content.get("startTime"), content.get("endTime"))
        name = str(1000 + len(self.schedules))
        self.schedules[name] = content | {
            "name": f"{PLACE[4:]}/schedules/{name}",
            "state": "ACTIVE",
            "nextRunTime": "2030-01-07T02:00:00Z",
        }
        return self.schedules[name]

    def list_schedules(self, request):
        return {"schedules": list(self.schedules.values())}

    def get_schedule(self, request, name):
        if name not in self.schedules:
            raise ApiError(404, f"{name} not found")
        return self.schedules[name]

    def pause(self, request, name):
        self.get_schedule(request, name)["state"] = "PAUSED"
        return {}

    def resume(self, request, name):
        self.get_schedule(request, name)["state"] = "ACTIVE"
        return {}

    def delete(self, request, name):
        self.get_schedule(request, name)
        del self.schedules[name]
        return {
            "name": f"{PLACE[4:]}/operations/1",
            "done": True,
            "response": {"@type": "type.googleapis.com/google.protobuf.Empty"},
        }

    def _valid_job(self, content):
        """Refuses an invalid job, and a job with parameters that its pipeline does not have."""
        try:
            PipelineJob.from_json(json.dumps(content))
            spec = json_format.ParseDict(content["pipelineSpec"], pipeline_spec_pb2.PipelineSpec())
            deployment = json_format.ParseDict(
                json_format.MessageToDict(spec.deployment_spec),
                pipeline_spec_pb2.PipelineDeploymentConfig(),
            )
            check(spec, deployment.executors)
            runtime = content["runtimeConfig"]
            read_parameters(spec, runtime["parameterValues"])
        except (JobError, json_format.ParseError, KeyError) as error:
            raise ApiError(400, f"{type(error).__name__}: {error}") from error
        for executor in deployment.executors.values():
            accelerator = executor.container.resources.accelerator.type
            if accelerator and accelerator not in STEPS_ACCELERATORS:
                raise ApiError(400, f"invalid accelerator type {accelerator}")
        for key, value in content.get("labels", {}).items():
            if not re.fullmatch("[a-z][a-z0-9_-]{0,62}=[a-z0-9_-]{0,63}", f"{key}={value}"):
                raise ApiError(400, f"invalid label {key}={value}")
        network = content.get("network", "projects/1/global/networks/n")
        if not re.fullmatch("projects/[0-9]+/global/networks/[a-z][a-z0-9-]*", network):
            raise ApiError(400, f"invalid network {network}")
        if not runtime["gcsOutputDirectory"].startswith("gs://"):
            raise ApiError(400, "gcsOutputDirectory: expected gs://")
        return content


@pytest.fixture
def vertex(monkeypatch, tmp_path):
    with serving(Vertex()) as server:
        account = write_account(tmp_path, token_uri=f"{server.url}/token")
        monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(account))
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", server.url)
        monkeypatch.setattr(backend, "FIRST_WAIT", 0.01)
        monkeypatch.chdir(tmp_path)
        yield server


TARGET = ["--runner", "vertex", "--project", "p", "--region", "europe-west4"]
PIPELINE = ["--model", "vit_b16_fe", "--image", "vit:1", "--pipeline-root", "gs://bucket/root"]


@pytest.fixture
def command(vertex):
    """Returns a function that runs the command line against the server."""

    def command(*arguments):
        endpoint = ["--set", f"cloud.api_endpoint={vertex.url}", "--set", "cloud.poll_seconds=0.01"]
        return run_captured(*TARGET, *endpoint, *arguments)

    return command


KEY = "projects/p/locations/europe-west4/keyRings/r/cryptoKeys/k"


def test_a_run_is_submitted(command, vertex):
    status, out, err = command(
        *PIPELINE, "--epochs", "3", "--service-account", "sa@p.iam.gserviceaccount.com",
        "--set", "cloud.labels=team=vision", "--set", "cloud.network=projects/1/global/networks/n",
        "--set", f"cloud.encryption_key={KEY}", "--trainer-accelerator", "NVIDIA_L4:1",
    )  # fmt: skip
    assert (status, err) == (0, "")
    (job,) = vertex.jobs.values()
    assert job["displayName"] == "tf-flowers-vit-b16-fe-full"
    assert job["runtimeConfig"]["gcsOutputDirectory"] == "gs://bucket/root"
    assert job["runtimeConfig"]["parameterValues"]["epochs"] == 3
    assert job["serviceAccount"] == "sa@p.iam.gserviceaccount.com"
    assert job["labels"]["team"] == "vision"
    assert job["network"] == "projects/1/global/networks/n"
    assert job["encryptionSpec"] == {"kmsKeyName": KEY}
    assert "see: https://console.cloud.google.com/vertex-ai/locations/europe-west4/" in out


def test_the_longest_name(command, vertex):
    assert command(*PIPELINE, "--name", "n" * 63)[0] == 0
    assert [len(name) for name in vertex.jobs] == [63 + len("-20261224180000")]


def test_a_run_is_followed_to_its_end(command):
    status, out, _ = command(*PIPELINE, "--wait")
    assert status == 0
    lines = out.splitlines()
    assert lines[-3:] == ["Pusher: running", "Pusher: succeeded", "ended: succeeded"]


def test_a_followed_run_whose_model_was_not_blessed(command, vertex):
    vertex.pushed = {"pushed": 0.0, "reason": "not pushed: accuracy"}
    status, out, _ = command(*PIPELINE, "--wait")
    assert status == 3
    assert out.splitlines()[-1] == "verdict: not blessed: not pushed: accuracy"


def test_a_followed_run_that_fails(command, vertex):
    vertex.states = ["PIPELINE_STATE_FAILED"]
    status, _, err = command(*PIPELINE, "--wait")
    assert status == 1
    assert "the run ended in the state failed; see https://console.cloud.google.com" in err
    # A second job in the same second would get the same name, which the server would refuse.
    vertex.jobs.clear()
    vertex.task = "ExampleValidator"
    status, _, err = command(*PIPELINE, "--wait")
    assert status == 3
    assert "ExampleValidator refused the data; see its log at https://console.cloud" in err
    assert len(err.splitlines()) == 1


def test_a_schedule_is_created_listed_and_deleted(command, vertex):
    times = ["--schedule", "TZ=Europe/Berlin 0 3 * * 1", "--max-concurrent-runs", "2"]
    times += ["--start", "2098-01-01T00:00:00Z", "--end", "2099-01-01T00:00:00+01:00"]
    times += ["--service-account", "sa@p.iam.gserviceaccount.com"]
    times += ["--set", "cloud.network=projects/1/global/networks/n"]
    times += ["--set", f"cloud.encryption_key={KEY}", "--set", "cloud.labels=team=vision"]
    status, out, err = command(*PIPELINE, *times, "--min-accuracy", "0.5", "--name", "weekly")
    assert (status, err) == (0, "")
    assert "scheduled: weekly: TZ=Europe/Berlin 0 3 * * 1" in out
    (schedule,) = vertex.schedules.values()
    assert schedule["cron"] == "TZ=Europe/Berlin 0 3 * * 1"
    assert schedule["maxConcurrentRunCount"] == "2"
    assert schedule["startTime"] == "2098-01-01T00:00:00Z"
    assert schedule["endTime"] == "2098-12-31T23:00:00Z"
    assert schedule["createPipelineJobRequest"]["parent"] == PLACE.removeprefix("/v1/")
    job = schedule["createPipelineJobRequest"]["pipelineJob"]
    assert job["labels"]["team"] == "vision"
    assert job["runtimeConfig"]["parameterValues"]["min_accuracy"] == 0.5
    assert job["serviceAccount"] == "sa@p.iam.gserviceaccount.com"
    assert job["network"] == "projects/1/global/networks/n"
    assert job["encryptionSpec"] == {"kmsKeyName": KEY}

    status, _, err = command(*PIPELINE, *times, "--name", "weekly")
    assert status == 1
    assert "the pipeline weekly has a schedule already" in err

    assert command("--pause", "weekly")[0] == 0
    status, out, _ = command("--list-schedules")
    assert status == 0
    assert out.splitlines()[1].split()[:2] == ["weekly", "PAUSED"]
    assert command("--resume", "1000")[0] == 0
    assert "ACTIVE" in command("--list-schedules")[1]
    assert command("--delete-schedule", "weekly")[0] == 0
    assert vertex.schedules == {}
    status, _, err = command("--pause", "weekly")
    assert status == 1
    assert "weekly: there is no such schedule; expected one of none" in err


@pytest.mark.parametrize(("status", "expected"), REFUSALS)
@pytest.mark.parametrize("times", [[], ["--schedule", "0 3 * * 1"]], ids=["submit", "schedule"])
def test_an_error_is_one_line(command, vertex, status, expected, times):
    # After status 401, the client gets a new token and repeats the request, up to twice. The
    # command therefore fails only if the server refuses the request three times.
    end = "/schedules" if times else "/pipelineJobs"
    vertex.fail("POST", end, status, times=3 if status == 401 else 1)
    exit_status, _, err = command(*PIPELINE, *times)
    assert exit_status == 1
    assert expected in err
    assert len(err.splitlines()) == 1
    assert not vertex.jobs
    assert not vertex.schedules


def test_a_wait_continues_after_temporary_errors(command, vertex):
    vertex.states = [f"PIPELINE_STATE_{s}" for s in ("RUNNING", "RUNNING", "RUNNING", "SUCCEEDED")]

    def submitted(request, make=vertex.create_job):
        for status in PASSING:
            vertex.fail("GET", request.query["pipelineJobId"], status)
        return make(request)

    vertex.create_job = submitted
    status, out, err = command(*PIPELINE, "--wait")
    assert (status, err) == (0, "")
    assert out.splitlines()[-1] == "ended: succeeded"
    assert not vertex._failures


@pytest.mark.parametrize(("status", "expected"), FINAL)
def test_a_wait_that_cannot_go_on_names_the_run(command, vertex, status, expected):
    def submitted(request, make=vertex.create_job):
        vertex.fail("GET", request.query["pipelineJobId"], status, times=3)
        return make(request)

    vertex.create_job = submitted
    exit_status, _, err = command(*PIPELINE, "--wait")
    assert exit_status == 1
    assert f"looking at the run: {expected}" in err
    assert "the run may still be in progress: see https://console.cloud.google.com" in err
    assert len(err.splitlines()) == 1


SCHEDULE_ACTIONS = [
    ("--pause", "POST", ":pause"),
    ("--resume", "POST", ":resume"),
    ("--delete-schedule", "DELETE", "/schedules/1000"),
]


@pytest.mark.parametrize(("status", "expected"), REFUSALS)
@pytest.mark.parametrize("action", SCHEDULE_ACTIONS, ids=lambda action: action[0])
def test_an_error_of_a_schedule_is_one_line(command, vertex, action, status, expected):
    flag, method, end = action
    assert command(*PIPELINE, "--schedule", "0 3 * * 1", "--name", "weekly")[0] == 0
    before = dict(vertex.schedules["1000"])
    vertex.fail(method, end, status, times=3 if status == 401 else 1)
    exit_status, _, err = command(flag, "weekly")
    assert exit_status == 1
    assert expected in err
    assert len(err.splitlines()) == 1
    assert vertex.schedules == {"1000": before}


@pytest.mark.parametrize(("status", "expected"), FINAL)
def test_an_error_of_a_list_is_one_line(command, vertex, status, expected):
    vertex.fail("GET", "/schedules", status, times=3)
    exit_status, _, err = command("--list-schedules")
    assert exit_status == 1
    assert f"listing schedules: {expected}" in err
    assert len(err.splitlines()) == 1


def test_a_list_is_requested_again_after_a_temporary_error(command, vertex):
    for status in PASSING:
        vertex.fail("GET", "/schedules", status)
    assert command("--list-schedules")[0] == 0


def test_a_request_that_exceeded_a_quota_is_repeated(command, vertex):
    vertex.fail("POST", "/pipelineJobs", 429, times=2)
    assert command(*PIPELINE)[0] == 0
    assert len(vertex.find_requests("POST", "/pipelineJobs")) == 3
    assert len(vertex.jobs) == 1


def test_without_credentials(command, monkeypatch, tmp_path):
    monkeypatch.delenv("GOOGLE_APPLICATION_CREDENTIALS")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("CLOUDSDK_CONFIG", str(tmp_path))
    monkeypatch.setenv("NO_GCE_CHECK", "true")
    for arguments in (PIPELINE, ["--list-schedules"]):
        status, _, err = command(*arguments)
        assert status == 1
        assert "there are no Google Cloud credentials; run gcloud auth" in err
        assert len(err.splitlines()) == 1


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (None, "account.json was not found; expected a file with Google Cloud credentials"),
        ("{", "account.json is not a valid json file; expected a file with"),
        ("{}", "account.json does not have a valid type. Type is None, expected one of"),
    ],
)
def test_invalid_credentials(command, monkeypatch, tmp_path, content, expected):
    file = tmp_path / "another" / "account.json"
    if content is not None:
        file.parent.mkdir()
        file.write_text(content)
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(file))
    status, _, err = command(*PIPELINE)
    assert status == 1
    assert f"{tmp_path}/another/{expected}" in err
    assert len(err.splitlines()) == 1


def test_without_a_network(command, monkeypatch, tmp_path):
    """The client needs an access token, but cannot reach Google's token server."""
    account = {"type": "authorized_user", "client_id": "i", "client_secret": "s"}
    (tmp_path / "login.json").write_text(json.dumps(account | {"refresh_token": "t"}))
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "login.json"))
    nobody = "http://127.0.0.1:9/token"
    monkeypatch.setattr("google.oauth2.credentials._GOOGLE_OAUTH2_TOKEN_ENDPOINT", nobody)
    monkeypatch.setattr(backend, "PATIENCE", 0.1)
    status, _, err = command("--list-schedules")
    assert status == 1
    assert "the connection to Google's token server failed" in err
    assert "not accepted" not in err
    assert len(err.splitlines()) == 1
