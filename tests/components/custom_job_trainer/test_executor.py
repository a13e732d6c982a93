"""Tests of CustomJobTrainer's executor, with TFX's own client.

The executor sends its requests to `job_service` instead of Vertex AI. These tests run no job;
tests/compiled/test_custom_job.py runs one.
"""

import json
import os
import signal
import threading
import time
from types import SimpleNamespace

import grpc
import pytest
from google.api_core import exceptions
from google.cloud.aiplatform_v1.types import CustomJob, JobState
from tfx.types import artifact_utils, standard_artifacts

from components.custom_job_trainer import cancel
from components.custom_job_trainer.executor import Executor
from components.custom_job_trainer.job_request import JobRequest, write_job_request
from pipeline.options.build import build_config
from pipeline.options.custom_job import custom_job
from pipeline.options.settings import Setting
from tests.components.custom_job_trainer.job_service import (
    HOST,
    PARENT,
    Ended,
    JobService,
    serving,
)

PROPERTIES = {"run_fn": "trainer.train.run_fn", "custom_config": json.dumps({"tune": "full"})}


@pytest.fixture(scope="module")
def environment(tmp_path_factory):
    """Returns a service and the environment variables of its clients.

    The service is the same for all tests, because gRPC reads certificates once per process.
    """
    service = JobService(lambda job: Ended(JobState.JOB_STATE_SUCCEEDED))
    with serving(service, tmp_path_factory.mktemp("service")) as variables:
        yield service, variables


@pytest.fixture
def service(environment, monkeypatch):
    service, variables = environment
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    service.jobs.clear()
    service.requests.clear()
    service.begin = lambda job: Ended(JobState.JOB_STATE_SUCCEEDED)
    return service


def make_request(*, project="p", image="europe-docker.pkg.dev/p/r/vit:1", **machine):
    given = {
        "model": "vit_b16_fe",
        "name": "flowers",
        "run.runner": "vertex",
        "cloud.project": project,
        "cloud.region": "europe-west4",
        "cloud.image": image,
        "cloud.service_account": "runner@p.iam.gserviceaccount.com",
        "cloud.labels": "team=vision",
        "machines.trainer.machine_type": "n1-standard-8",
    } | {f"machines.trainer.{key}": value for key, value in machine.items()}
    config = build_config({key: Setting(value, key) for key, value in given.items()})
    job = custom_job(config.name, config.machines.trainer, config.cloud)
    return JobRequest(job=job, region=config.cloud.region)


@pytest.fixture
def step(tmp_path):
    """Returns a namespace with artifacts and a function `run`, which runs the executor on them."""
    first, examples, model = (
        standard_artifacts.String(),
        standard_artifacts.Examples(),
        standard_artifacts.Model(),
    )
    first.uri = str(tmp_path / "run" / "ResolveInputs_1" / "trainer_custom_config")
    examples.uri = str(tmp_path / "run" / "ImageExampleGen_2" / "examples")
    model.uri = str(tmp_path / "run" / "Trainer_3" / "model")

    def step(**options):
        (tmp_path / "run").mkdir(exist_ok=True)
        write_job_request({"training": [first]}, make_request(**options))
        Executor().Do({"examples": [examples]}, {"model": [model]}, dict(PROPERTIES))

    return SimpleNamespace(run=step, inputs={"examples": [examples]}, outputs={"model": [model]})


def test_every_worker_runs_what_trainer_runs(service, step):
    step.run(workers="4", accelerator="NVIDIA_TESLA_T4:2", spot="true", timeout_minutes="90")
    assert set(service.targets) == {f"{HOST}:443"}
    (job,) = service.jobs.values()
    chief, others = job.job_spec.worker_pool_specs
    assert chief.container_spec == others.container_spec
    (
        *command,
        class_flag,
        class_path,
        inputs_flag,
        inputs,
        outputs_flag,
        outputs,
        flag,
        properties,
    ) = chief.container_spec.command
    assert command == ["python", "-m", "tfx.scripts.run_executor"]
    assert (class_flag, class_path) == (
        "--executor_class_path",
        "tfx.components.trainer.executor.GenericExecutor",
    )
    assert (inputs_flag, inputs) == ("--inputs", artifact_utils.jsonify_artifact_dict(step.inputs))
    assert (outputs_flag, outputs) == (
        "--outputs",
        artifact_utils.jsonify_artifact_dict(step.outputs),
    )
    # The directory for checkpoints depends on the execution properties. A retry on different
    # machines must find the same checkpoints, so the execution properties must not contain machine
    # settings.
    assert (flag, json.loads(properties)) == ("--exec-properties", PROPERTIES)
    assert (chief.replica_count, others.replica_count) == (1, 3)
    assert job.job_spec.scheduling.strategy.name == "SPOT"
    assert job.job_spec.scheduling.timeout.total_seconds() == 5400
    assert job.job_spec.service_account == "runner@p.iam.gserviceaccount.com"
    assert job.labels["team"] == "vision"


def test_a_tpu(service, step):
    step.run(machine_type="ct5lp-hightpu-4t", tpu_topology="2x2")
    (job,) = service.jobs.values()
    (pool,) = job.job_spec.worker_pool_specs
    assert pool.machine_spec.tpu_topology == "2x2"
    assert [(v.name, v.value) for v in pool.container_spec.env] == [("TPU_NAME", "local")]


@pytest.mark.parametrize(
    "code", [grpc.StatusCode.PERMISSION_DENIED, grpc.StatusCode.RESOURCE_EXHAUSTED]
)
def test_a_job_that_is_refused(service, step, code):
    service.fail("create", code, "on purpose")
    with pytest.raises(exceptions.GoogleAPICallError, match="on purpose") as error:
        step.run()
    assert error.value.grpc_status_code == code
    assert not service.jobs
    assert service.requests == ["create", "list"]


def test_a_missing_project(service, step):
    with pytest.raises(exceptions.NotFound, match="projects/q/locations/europe-west4 not found"):
        step.run(project="q")


def test_an_error_that_only_vertex_ai_detects(service, step):
    with pytest.raises(exceptions.InvalidArgument, match="machine_type: huge is not supported"):
        step.run(machine_type="huge")


@pytest.mark.parametrize(
    ("state", "message"),
    [
        (JobState.JOB_STATE_FAILED, "The replica workerpool0-0 exited with a non-zero status of 1"),
        (JobState.JOB_STATE_CANCELLED, "was cancelled by somebody"),
    ],
)
def test_a_job_that_does_not_succeed(service, step, state, message):
    service.begin = lambda job: Ended(state, message)
    with pytest.raises(RuntimeError, match=message) as error:
        step.run()
    assert "projects/p/locations/europe-west4/customJobs/1000" in str(error.value)
    assert "cancel" not in service.requests


class Running:
    """A job that runs until it is stopped, and can send SIGTERM to the client.

    SIGTERM arrives 0.2 s after a request for the job's state, while the client waits before its
    next request. During a request, the SystemExit of the signal handler could leave a lock of gRPC
    locked, and the service, which runs in the same process as the client, would wait for this lock.
    """

    def __init__(self, *, terminates: bool = False) -> None:
        self.is_stopped = False
        self._terminates = terminates

    def state(self):
        if self._terminates:
            self._terminates = False
            threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGTERM)).start()
        return JobState.JOB_STATE_RUNNING, ""

    def stop(self):
        self.is_stopped = True


def test_a_terminated_step_cancels_its_job(service, step, caplog):
    """A step that gets SIGTERM cancels its own job, but not the job of another step."""
    others, own = Running(), Running(terminates=True)
    service.add(CustomJob(labels={"vit-step": "another"}), others)
    service.begin = lambda job: own
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(SystemExit) as ended:
        step.run()
    assert ended.value.code == 128 + signal.SIGTERM
    assert signal.getsignal(signal.SIGTERM) == before
    assert (own.is_stopped, others.is_stopped) == (True, False)
    assert f"the step ends: cancelling {PARENT}/customJobs/1001" in caplog.messages


@pytest.mark.parametrize(
    "code", [grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.DEADLINE_EXCEEDED]
)
def test_a_wait_that_fails_cancels_the_job(service, step, code):
    job = Running()
    service.begin = lambda _: job
    service.fail("get", code, "on purpose")
    with pytest.raises(exceptions.GoogleAPICallError, match="on purpose") as error:
        step.run()
    assert error.value.grpc_status_code == code
    assert job.is_stopped
    assert service.requests == ["create", "get", "list", "cancel"]


def wait_for_two_lists(service):
    """Waits until the step has listed the jobs twice, for at most 5 seconds."""
    until = time.monotonic() + 5
    while service.requests.count("list") < 2 and time.monotonic() < until:
        time.sleep(0.01)


def end_step_while_creating(service):
    """Sends SIGTERM to the step before Vertex AI has responded to the request to create a job."""
    time.sleep(0.2)  # long enough that the client is waiting for the response: see `Running`
    os.kill(os.getpid(), signal.SIGTERM)
    wait_for_two_lists(service)


def test_a_terminated_step_waits_for_the_job_that_is_being_created(service, step):
    job = Running()

    def begin(_):
        end_step_while_creating(service)
        return job

    service.begin = begin
    with pytest.raises(SystemExit):
        step.run()
    assert job.is_stopped
    assert "get" not in service.requests


def test_a_terminated_step_stops_waiting_for_a_job_after_a_while(
    service, step, monkeypatch, caplog
):
    monkeypatch.setattr(cancel, "_LISTING_PATIENCE", 1.0)

    def begin(_):
        end_step_while_creating(service)
        raise RuntimeError("nothing comes of it")

    service.begin = begin
    with pytest.raises(SystemExit):
        step.run()
    assert "the step ends: found no custom job with label vit-step=" in caplog.text


def test_a_job_whose_creation_is_answered_by_an_error(service, step):
    job = Running()

    def add(message):
        wait_for_two_lists(service)
        service.add(message, job)

    def begin(message):
        threading.Thread(target=add, args=[message]).start()
        raise ConnectionError("on purpose")

    service.begin = begin
    with pytest.raises(exceptions.Unknown, match="on purpose"):
        step.run()
    assert job.is_stopped


@pytest.mark.parametrize("method", ["list", "cancel"])
def test_a_cancel_is_tried_again(service, step, method):
    job = Running(terminates=True)
    service.begin = lambda _: job
    service.fail(method, grpc.StatusCode.UNAVAILABLE, "on purpose")
    with pytest.raises(SystemExit):
        step.run()
    assert job.is_stopped


def test_requests_of_a_terminated_step_have_a_timeout(service, step):
    """The container is killed 30 seconds after SIGTERM, so the requests to list and cancel the job
    must end earlier."""
    service.begin = lambda _: Running(terminates=True)
    with pytest.raises(SystemExit):
        step.run()
    assert service.allowed["list"] + service.allowed["cancel"] < 30


def test_a_job_that_ends_just_before_its_cancel(service, step, caplog):
    service.begin = lambda _: Running(terminates=True)
    service.fail("cancel", grpc.StatusCode.FAILED_PRECONDITION, "has ended")
    with pytest.raises(SystemExit):
        step.run()
    assert "cancel" in service.requests
    assert "was not cancelled" not in caplog.text


def test_a_failed_cancel_does_not_hide_the_error_of_the_job(service, step, caplog):
    service.begin = lambda _: Running()
    service.fail("get", grpc.StatusCode.UNAUTHENTICATED, "on purpose")
    service.fail("list", grpc.StatusCode.PERMISSION_DENIED, "no customJobs.list")
    with pytest.raises(exceptions.Unauthenticated, match="on purpose"):
        step.run()
    assert "was not cancelled" in caplog.text
    assert "no customJobs.list" in caplog.text


def test_a_terminated_step_does_not_cancel_a_job_that_has_ended(service, step):
    class SucceedsMeanwhile(Running):
        def state(self):
            if "list" in service.requests:
                return JobState.JOB_STATE_SUCCEEDED, ""
            return super().state()

    service.begin = lambda _: SucceedsMeanwhile(terminates=True)
    with pytest.raises(SystemExit):
        step.run()
    assert "cancel" not in service.requests
