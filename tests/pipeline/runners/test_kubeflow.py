"""Tests of the submission to Kubeflow Pipelines, with the real kfp client.

A local server replaces the API server of Kubeflow Pipelines. The local server keeps pipelines, runs
and recurring runs in memory, and parses uploads with kfp's own protos. Like the real API server,
the local server refuses a second pipeline with the same name, an unknown version, unknown
parameters, and a cron expression without six fields.

The local server also replaces the web server of the Kubeflow dashboard, which forwards gRPC-Web
requests to ML Metadata. The gRPC-Web frames and errors that the local server sends were recorded
from a real ML Metadata server behind the proxy Envoy. For the recording, Envoy had the
configuration from Kubeflow Pipelines 2.17.0.
"""

import json
import os
import struct
import subprocess
import sys

import pytest
import yaml
from google.protobuf import json_format
from kfp.pipeline_spec import pipeline_spec_pb2
from ml_metadata.proto import metadata_store_service_pb2

from pipeline.runners import backend
from tests.captured_run import run_captured
from tests.compiled.cluster import JobError, check, read_parameters
from tests.pipeline.runners.server import (
    FINAL,
    PASSING,
    REFUSALS,
    SIX_FIELDS,
    Api,
    ApiError,
    check_times,
    serving,
)

ROOT = "/apis/v2beta1"

# The fields of kubernetes_executor_config.proto that the pipeline uses, with their JSON names. The
# tests cannot use the proto itself, because the package kfp-kubernetes is not installed.
KUBERNETES_FIELDS = {
    "nodeSelector": {"labels"},
    "tolerations": {"key", "operator", "value", "effect"},
    "emptyDirMounts": {"volumeName", "mountPath", "sizeLimit"},
    "activeDeadlineSeconds": None,
    "pvcMount": {"pvcNameParameter", "mountPath"},
}


def check_platform(document):
    """Refuses a document with unknown fields in PlatformSpec or KubernetesExecutorConfig."""
    json_format.ParseDict(document, pipeline_spec_pb2.PlatformSpec())
    for config in document["platforms"]["kubernetes"]["deploymentSpec"]["executors"].values():
        for name, value in config.items():
            if name not in KUBERNETES_FIELDS:
                raise JobError(f"KubernetesExecutorConfig has no field {name}")
            for message in value if isinstance(value, list) else [value]:
                if isinstance(message, dict) and not set(message) <= KUBERNETES_FIELDS[name]:
                    raise JobError(f"{name} does not have all the fields {sorted(message)}")


class Kubeflow(Api):
    """A stand-in for the API server and the dashboard of Kubeflow Pipelines."""

    ROUTES = (
        ("GET", f"{ROOT}/healthz", "health"),
        ("GET", f"{ROOT}/pipelines", "list_pipelines"),
        ("POST", f"{ROOT}/pipelines/upload", "upload"),
        ("POST", f"{ROOT}/pipelines/upload_version", "upload_version"),
        ("GET", f"{ROOT}/pipelines/([^/]+)/versions", "list_versions"),
        ("GET", f"{ROOT}/experiments", "list_experiments"),
        ("POST", f"{ROOT}/experiments", "create_experiment"),
        ("POST", f"{ROOT}/runs", "create_run"),
        ("GET", f"{ROOT}/runs/([^/]+)", "get_run"),
        ("GET", f"{ROOT}/recurringruns", "list_schedules"),
        ("POST", f"{ROOT}/recurringruns", "create_schedule"),
        ("POST", f"{ROOT}/recurringruns/([^/:]+):disable", "disable"),
        ("POST", f"{ROOT}/recurringruns/([^/:]+):enable", "enable"),
        ("DELETE", f"{ROOT}/recurringruns/([^/:]+)", "delete"),
        ("POST", r"/ml_metadata\.MetadataStoreService/(\w+)", "ask_metadata"),
    )

    def __init__(self):
        super().__init__()
        self.token = "secret"
        self.pipelines, self.versions, self.experiments = {}, {}, {}
        self.runs, self.schedules = {}, {}
        self.states = ["RUNNING", "SUCCEEDED"]
        self.task = "Trainer"
        self.artifacts = {}  # the properties of artifacts in ML Metadata: {run: {URI: properties}}

    def check(self, request):
        if request.headers.get("authorization") != f"Bearer {self.token}":
            raise ApiError(401, "Request not authenticated")

    def error(self, status, message):
        return {"error": message, "code": 2, "message": message, "details": []}

    def health(self, request):
        return {"multi_user": False}

    def list_pipelines(self, request):
        wanted = json.loads(request.query["filter"])["predicates"][0]["stringValue"]
        found = [p for p in self.pipelines.values() if p["display_name"] == wanted]
        return {"pipelines": found} if found else {}

    def upload(self, request):
        name = request.query["name"]
        self._check_name(name)
        if any(p["display_name"] == name for p in self.pipelines.values()):
            raise ApiError(409, f"Already exist error: pipeline {name}")
        pipeline = {"pipeline_id": f"p{len(self.pipelines)}", "display_name": name}
        self.pipelines[pipeline["pipeline_id"]] = pipeline
        self._add_version(pipeline["pipeline_id"], name, request)
        return pipeline

    def upload_version(self, request):
        self._check_name(request.query["name"])
        return self._add_version(request.query["pipelineid"], request.query["name"], request)

    def _check_name(self, name):
        if len(name) > 100:
            raise ApiError(400, "Pipeline name too long. Support maximum length of 100")

    def _add_version(self, pipeline, name, request):
        boundary = request.headers["content-type"].split("boundary=")[1].encode()
        _, part, *_ = request.body.split(b"--" + boundary)
        headers, _, content = part.strip().partition(b"\r\n\r\n")
        if b"uploadfile" not in headers or b".yaml" not in headers:
            raise ApiError(400, "Failed to read the uploaded file")
        try:
            document, *platforms = yaml.safe_load_all(content)
            spec = json_format.ParseDict(document, pipeline_spec_pb2.PipelineSpec())
            for platform in platforms:
                check_platform(platform)
            config = pipeline_spec_pb2.PipelineDeploymentConfig()
            json_format.ParseDict(json_format.MessageToDict(spec.deployment_spec), config)
            check(spec, config.executors)
        except (JobError, json_format.ParseError) as error:
            raise ApiError(400, f"Invalid input error: {error}") from error
        version = {
            "pipeline_id": pipeline,
            "pipeline_version_id": f"v{len(self.versions)}",
            "display_name": name,
        }
        self.versions[version["pipeline_version_id"]] = version | {
            "spec": spec,
            "platforms": platforms,
        }
        return version

    def list_versions(self, request, pipeline):
        found = [v for v in self.versions.values() if v["pipeline_id"] == pipeline]
        return {
            "pipeline_versions": [
                {key: value for key, value in version.items() if key not in ("spec", "platforms")}
                for version in found
            ]
        }

    def list_experiments(self, request):
        wanted = json.loads(request.query["filter"])["predicates"][0]["stringValue"]
        found = [e for e in self.experiments.values() if e["display_name"] == wanted]
        return {"experiments": found} if found else {}

    def create_experiment(self, request):
        experiment = request.json | {"experiment_id": f"e{len(self.experiments)}"}
        self.experiments[experiment["experiment_id"]] = experiment
        return experiment

    def create_run(self, request):
        run = self._valid(request.json) | {"run_id": f"r{len(self.runs)}", "state": "PENDING"}
        self.runs[run["run_id"]] = run
        return run

    def get_run(self, request, name):
        state = self.states.pop(0) if len(self.states) > 1 else self.states[0]
        details = {"task_details": [{"display_name": self.task, "state": state}]}
        return self.runs[name] | {"state": state, "run_details": details}

    def ask_metadata(self, request, method):
        """Answers a request to ML Metadata; the response is empty if the request names an unknown
        context."""
        assert request.headers["content-type"] == "application/grpc-web+proto"
        flag, length = struct.unpack(">BI", request.body[:5])
        assert (flag, length) == (0, len(request.body) - 5)
        asked = getattr(metadata_store_service_pb2, f"{method}Request")()
        asked.ParseFromString(request.body[5:])
        answer = getattr(metadata_store_service_pb2, f"{method}Response")()
        runs = list(self.artifacts)
        if method == "GetArtifactsByContext":
            found = self.artifacts[runs[asked.context_id - 1]]
            for number, (uri, properties) in enumerate(found.items()):
                artifact = answer.artifacts.add(id=number + 1, uri=uri)
                for name, value in properties.items():
                    kind = "string_value" if isinstance(value, str) else "double_value"
                    setattr(artifact.custom_properties[name], kind, value)
        elif asked.context_name in runs:
            assert (method, asked.type_name) == ("GetContextByTypeAndName", "system.PipelineRun")
            answer.context.id = runs.index(asked.context_name) + 1
        content = answer.SerializeToString()
        trailers = b"grpc-status:0\r\n"
        frames = struct.pack(">BI", 0, len(content)), content
        return b"".join((*frames, struct.pack(">BI", 0x80, len(trailers)), trailers))

    def create_schedule(self, request):
        schedule = self._valid(request.json)
        times = schedule["trigger"]["cron_schedule"]
        if not SIX_FIELDS.fullmatch(times["cron"]):
            raise ApiError(400, "Schedule cron is not a supported format")
        check_times(times.get("start_time"), times.get("end_time"))
        if not 1 <= int(schedule["max_concurrency"]) <= 10:
            raise ApiError(400, "The max concurrency of the recurring run must be 1 to 10")
        name = f"s{len(self.schedules)}"
        self.schedules[name] = schedule | {"recurring_run_id": name, "status": "ENABLED"}
        return self.schedules[name]

    def list_schedules(self, request):
        """Returns one page of schedules; each page has only one schedule, to test paging."""
        names = sorted(self.schedules)
        index = int(request.query.get("page_token") or 0)
        page = [self.schedules[name] for name in names[index : index + 1]]
        more = {"next_page_token": str(index + 1)} if index + 1 < len(names) else {}
        return {"recurringRuns": page, "total_size": len(names)} | more

    def disable(self, request, name):
        self.schedules[name]["status"] = "DISABLED"
        return {}

    def enable(self, request, name):
        self.schedules[name]["status"] = "ENABLED"
        return {}

    def delete(self, request, name):
        del self.schedules[name]
        return {}

    def _valid(self, content):
        if content["experiment_id"] not in self.experiments:
            raise ApiError(404, "experiment not found")
        version = self.versions.get(content["pipeline_version_reference"]["pipeline_version_id"])
        if version is None:
            raise ApiError(404, "pipeline version not found")
        try:
            read_parameters(version["spec"], content["runtime_config"]["parameters"])
        except JobError as error:
            raise ApiError(400, str(error)) from error
        return content


@pytest.fixture
def kubeflow(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(backend, "FIRST_WAIT", 0.01)
    (tmp_path / "token").write_text("secret\n")
    with serving(Kubeflow()) as server:
        yield server


PIPELINE = ["--model", "vit_b16_fe", "--image", "vit:1", "--pipeline-root", "gs://bucket/root"]


@pytest.fixture
def command(kubeflow):
    """Returns a function that runs the command line against the server."""

    def command(*arguments):
        target = ["--runner", "kubeflow", "--host", kubeflow.url]
        settings = ["--set", "cloud.poll_seconds=0.01", "--set", "cloud.token_file=token"]
        return run_captured(*target, *settings, *arguments)

    return command


def test_a_pipeline_is_uploaded_and_runs(command, kubeflow):
    status, out, err = command(*PIPELINE, "--epochs", "3", "--service-account", "runner")
    assert (status, err) == (0, "")
    (run,) = kubeflow.runs.values()
    assert run["runtime_config"]["pipeline_root"] == "gs://bucket/root"
    assert run["runtime_config"]["parameters"]["epochs"] == 3
    assert run["service_account"] == "runner"
    assert out.splitlines()[-1] == f"see: {kubeflow.url}/#/runs/details/r0"


def test_the_next_upload_is_a_version_of_the_same_pipeline(command, kubeflow):
    for _ in range(2):
        assert command(*PIPELINE, "--name", "n" * 63)[0] == 0
    assert len(kubeflow.pipelines) == len(kubeflow.experiments) == 1
    used = [r["pipeline_version_reference"]["pipeline_version_id"] for r in kubeflow.runs.values()]
    assert used == ["v0", "v1"]


def test_the_platform_spec_is_uploaded_with_the_pipeline(command, kubeflow):
    """The platform spec, which contains the settings for Kubernetes, is the second YAML document in
    the uploaded file."""
    settings = [
        "machines.trainer.spot=true",
        "machines.trainer.disk_gb=100",
        "cloud.volumes=vit-state:/state",
    ]
    status, _, err = command(*PIPELINE, *(a for setting in settings for a in ("--set", setting)))
    assert (status, err) == (0, "")
    (version,) = kubeflow.versions.values()
    (platform,) = version["platforms"]
    executors = platform["platforms"]["kubernetes"]["deploymentSpec"]["executors"]
    assert set(executors["Trainer_executor"]) == {
        "nodeSelector",
        "tolerations",
        "emptyDirMounts",
        "pvcMount",
    }
    assert executors["Pusher_executor"] == {"pvcMount": [MOUNT]}


# The JSON that `mount_pvc` of kfp-kubernetes writes, from the test
# kubernetes_platform/python/test/unit/test_volume.py of kubeflow/pipelines.
MOUNT = {"mountPath": "/state", "pvcNameParameter": {"runtimeValue": {"constant": "vit-state"}}}
ROOT_OF_RUNS = "minio://mlpipeline/root/tf-flowers-vit-b16-fe-full"


@pytest.fixture
def write_verdict(kubeflow):
    """Returns a function that records two runs in ML Metadata, one of which pushed a model."""

    def write_verdict(pushed, reason=""):
        for run, was_pushed in (("r1", not pushed), ("r0", pushed)):
            folder = f"{ROOT_OF_RUNS}/{run}"
            verdict = {"pushed": float(was_pushed)} | ({"reason": reason} if reason else {})
            kubeflow.artifacts[run] = {
                f"{folder}/Trainer/5e1f-41/model": {"display_name": "model"},
                f"{folder}/Pusher/5e1f-42/executor-logs-0": {"display_name": "executor-logs"},
                f"{folder}/Pusher/5e1f-43/pushed_model": {"display_name": "pushed_model"} | verdict,
            }

    return write_verdict


def test_a_run_is_followed_to_its_end(command, kubeflow, write_verdict):
    write_verdict(pushed=True)
    status, out, err = command(*PIPELINE, "--wait")
    assert (status, err) == (0, "")
    assert out.splitlines()[-3:] == ["Trainer: running", "Trainer: succeeded", "ended: succeeded"]
    kubeflow.states = ["FAILED"]
    status, _, err = command(*PIPELINE, "--wait")
    assert status == 1
    assert f"the run ended in the state failed; see {kubeflow.url}/#/runs" in err
    kubeflow.task = "examplevalidator"
    status, _, err = command(*PIPELINE, "--wait")
    assert status == 3
    assert f"ExampleValidator refused the data; see its log at {kubeflow.url}/#/runs" in err
    assert len(kubeflow.find_requests("POST", "/GetArtifactsByContext")) == 1


def test_a_run_that_pushed_nothing_ends_with_3(command, write_verdict):
    write_verdict(pushed=False, reason="not pushed, the model is not blessed: accuracy 0.1")
    status, out, err = command(*PIPELINE, "--wait")
    assert (status, err) == (3, "")
    assert out.splitlines()[-1].endswith("not pushed, the model is not blessed: accuracy 0.1")


def no_dashboard(request, method):
    raise ApiError(404, b"Not Found")


FAILED = b"grpc-status:13\r\ngrpc-message:the database is away\r\n"


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (None, "ML Metadata has no verdict of Pusher for this run"),
        (no_dashboard, "404 Not Found"),
        (lambda *_: b"<html>Log in</html>", "the response is not from ML Metadata; expected the d"),
        (lambda *_: b"", "the response is not from ML Metadata"),
        (
            lambda *_: struct.pack(">BI", 0x80, len(FAILED)) + FAILED,
            "ML Metadata: error 13: the database is away",
        ),
        (
            lambda *_: b"\0\0\0\0\3<ht" + struct.pack(">BI", 0x80, 13) + b"grpc-status:0",
            "the response is not from ML Metadata (",
        ),
    ],
)
def test_a_run_whose_verdict_cannot_be_read(command, kubeflow, monkeypatch, answer, why):
    monkeypatch.setattr(backend, "PATIENCE", 0.1)
    if answer:
        monkeypatch.setattr(kubeflow, "ask_metadata", answer)
    status, out, err = command(*PIPELINE, "--wait")
    assert (status, err) == (0, "")
    ended, unknown = out.splitlines()[-2:]
    assert ended == "ended: succeeded"
    assert unknown.startswith("verdict: unknown: ")
    assert why in unknown
    assert "Pusher's log says" in unknown


def test_a_schedule_is_created_listed_and_deleted(command, kubeflow):
    times = ["--schedule", "0 3 * * 1", "--max-concurrent-runs", "2"]
    times += ["--start", "2098-01-01T00:00:00Z", "--end", "2099-01-01T00:00:00+01:00"]
    for name in ("monthly", "weekly"):
        status, out, err = command(*PIPELINE, *times, "--min-accuracy", "0.5", "--name", name)
        assert (status, err) == (0, "")
    assert f"see: {kubeflow.url}/#/recurringrun/details/s1" in out
    schedule = kubeflow.schedules["s1"]
    assert schedule["trigger"]["cron_schedule"] == {
        "cron": "0 0 3 * * 1",
        "start_time": "2098-01-01T00:00:00Z",
        "end_time": "2099-01-01T00:00:00+01:00",
    }
    assert schedule["runtime_config"]["parameters"]["min_accuracy"] == 0.5
    assert schedule["no_catchup"]
    status, _, err = command(*PIPELINE, *times, "--name", "weekly")
    assert status == 1
    assert "the pipeline weekly has a schedule already" in err
    assert command("--pause", "weekly")[0] == 0
    lines = command("--list-schedules")[1].splitlines()
    assert [line.split()[:2] for line in lines[1:]] == [["monthly", "ACTIVE"], ["weekly", "PAUSED"]]
    assert command("--resume", "s1")[0] == 0
    assert kubeflow.schedules["s1"]["status"] == "ENABLED"
    assert command("--delete-schedule", "weekly")[0] == 0
    assert set(kubeflow.schedules) == {"s0"}


@pytest.mark.parametrize(("status", "expected"), REFUSALS)
@pytest.mark.parametrize("times", [[], ["--schedule", "0 3 * * 1"]], ids=["submit", "schedule"])
def test_an_error_is_one_line(command, kubeflow, status, expected, times):
    kubeflow.fail("POST", "/recurringruns" if times else "/runs", status)
    exit_status, _, err = command(*PIPELINE, *times)
    assert exit_status == 1
    assert expected in err
    assert len(err.splitlines()) == 1
    assert not kubeflow.runs
    assert not kubeflow.schedules


def test_a_wait_continues_after_temporary_errors(command, kubeflow):
    kubeflow.states = ["RUNNING", "RUNNING", "SUCCEEDED"]
    for status in PASSING:
        kubeflow.fail("GET", "/runs/r0", status)
    status, out, err = command(*PIPELINE, "--wait")
    assert (status, err) == (0, "")
    assert "ended: succeeded" in out
    assert len(kubeflow.find_requests("GET", "/runs/r0")) == len(PASSING) + 3


@pytest.mark.parametrize(("status", "expected"), FINAL)
def test_a_wait_that_cannot_go_on_names_the_run(command, kubeflow, status, expected):
    kubeflow.fail("GET", "/runs/r0", status)
    exit_status, _, err = command(*PIPELINE, "--wait")
    assert exit_status == 1
    assert f"looking at the run: {expected}" in err
    assert f"the run may still be in progress: see {kubeflow.url}/#/runs/details/r0" in err
    assert len(err.splitlines()) == 1


def test_a_wait_has_a_limit(command, kubeflow, monkeypatch):
    monkeypatch.setattr("pipeline.runners.kubeflow.OUTAGE", 0.2)
    kubeflow.fail("GET", "/runs/r0", 0, times=1000)
    status, _, err = command(*PIPELINE, "--wait")
    assert status == 1
    assert "looking at the run: the connection failed" in err
    assert "arrived" not in err
    assert len(err.splitlines()) == 1


def test_a_token_that_is_renewed_during_a_wait(command, kubeflow, tmp_path, monkeypatch):
    def renewed(request, name, look=kubeflow.get_run):
        kubeflow.token = f"another{len(kubeflow.requests)}"
        (tmp_path / "token").write_text(kubeflow.token)
        return look(request, name)

    monkeypatch.setattr(kubeflow, "get_run", renewed)
    status, _, err = command(*PIPELINE, "--wait")
    assert (status, err) == (0, "")


SCHEDULE_ACTIONS = [
    ("--pause", "POST", ":disable"),
    ("--resume", "POST", ":enable"),
    ("--delete-schedule", "DELETE", "/recurringruns/s0"),
]


@pytest.mark.parametrize(("status", "expected"), REFUSALS)
@pytest.mark.parametrize("action", SCHEDULE_ACTIONS, ids=lambda action: action[0])
def test_an_error_of_a_schedule_is_one_line(command, kubeflow, action, status, expected):
    flag, method, end = action
    assert command(*PIPELINE, "--schedule", "0 3 * * 1", "--name", "weekly")[0] == 0
    before = dict(kubeflow.schedules["s0"])
    kubeflow.fail(method, end, status)
    exit_status, _, err = command(flag, "weekly")
    assert exit_status == 1
    assert expected in err
    assert len(err.splitlines()) == 1
    assert kubeflow.schedules == {"s0": before}


@pytest.mark.parametrize(("status", "expected"), FINAL)
def test_an_error_of_a_list_is_one_line(command, kubeflow, status, expected):
    kubeflow.fail("GET", "/recurringruns", status)
    exit_status, _, err = command("--list-schedules")
    assert exit_status == 1
    assert f"listing schedules: {expected}" in err
    assert len(err.splitlines()) == 1


def test_a_list_is_requested_again_after_a_temporary_error(command, kubeflow):
    for status in PASSING:
        kubeflow.fail("GET", "/recurringruns", status)
    assert command("--list-schedules")[0] == 0


def test_a_request_that_exceeded_a_quota_is_repeated(command, kubeflow):
    kubeflow.fail("POST", "/runs", 429, times=2)
    assert command(*PIPELINE)[0] == 0
    assert len(kubeflow.find_requests("POST", "/runs")) == 3
    assert len(kubeflow.runs) == 1


def test_an_upload_without_a_version(command, kubeflow, monkeypatch):
    monkeypatch.setattr(kubeflow, "list_versions", lambda request, pipeline: {})
    status, _, err = command(*PIPELINE)
    assert status == 1
    assert "the pipeline tf-flowers-vit-b16-fe-full was uploaded, but has no version" in err
    assert len(err.splitlines()) == 1


def test_a_host_that_does_not_answer(command, kubeflow):
    status, _, err = command(*PIPELINE, "--host", "http://127.0.0.1:9")
    assert status == 1
    assert "the connection failed" in err
    assert len(err.splitlines()) == 1


def test_a_missing_token_file(command):
    status, _, err = command(*PIPELINE, "--set", "cloud.token_file=nowhere")
    assert status == 1
    assert "cloud.token_file nowhere: No such file" in err


def test_listing_loads_neither_tensorflow_nor_tfx(kubeflow, project):
    code = (
        "import sys, pipeline_runner\n"
        "assert pipeline_runner.main(sys.argv[1:]) == 0\n"
        "heavy = {'tensorflow', 'tfx', 'keras', 'apache_beam'} & set(sys.modules)\n"
        "sys.exit(f'imported {heavy}' if heavy else 0)"
    )
    arguments = ["--runner", "kubeflow", "--host", kubeflow.url, "--list-schedules"]
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments, "--set", "cloud.token_file=token"],
        env=os.environ | {"PYTHONPATH": str(project)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.split() == ["NAME", "STATE", "TIMES", "NEXT", "RUN", "ID"]
