"""Runs a pipeline compiled for Vertex AI, whose Trainer is a custom job of two workers.

Three modules replace Vertex AI: `tests.compiled.cluster` runs the pipeline,
`tests.components.custom_job_trainer.job_service`, a server on loopback, accepts the custom job, and
`tests.compiled.replicas` runs the job's containers. TFX's client is real, but the client asks for
the state of the job every second instead of every 30 s.
"""

import json

import grpc
import pytest

from tests.compiled.cluster import Cluster, StepFailed, properties
from tests.compiled.replicas import Replicas
from tests.components.custom_job_trainer.job_service import JobService, serving
from tests.conftest import encode, gradient
from trainer.serving.serving_process import ServingProcess

pytestmark = pytest.mark.slow

ARGUMENTS = (
    *("--model", "vit_mini_fe", "--dataset", "digits", "--project", "p"),
    *("--region", "europe-west4", "--trainer-machine", "n1-standard-4", "--trainer-workers", "2"),
)
QUICK = {"steps": 60, "min_accuracy": 0.2}


@pytest.fixture
def begun():
    """Returns the list of started jobs; jobs that still run after the test are killed."""
    jobs: list[Replicas] = []
    yield jobs
    for replicas in jobs:
        replicas.stop()


@pytest.fixture
def service(container_bin, tmp_path, begun):
    def begin(job):
        begun.append(Replicas(job, bin=container_bin, folder=tmp_path / "workers"))
        return begun[-1]

    service = JobService(begin)
    with serving(service, tmp_path) as environment:
        yield service, environment


def test_a_run_with_two_workers(compile_to, containers, service, begun, tmp_path):
    service, environment = service
    root = tmp_path / "root"
    job = compile_to(tmp_path / "job.json", *ARGUMENTS, "--pipeline-root", str(root))
    cluster = Cluster(
        job,
        containers=containers,
        folder=tmp_path / "disks",
        root=root,
        surroundings=environment,
    )
    service.fail("create", grpc.StatusCode.PERMISSION_DENIED, "no customJobs.create")
    with pytest.raises(StepFailed, match="PermissionDenied: 403 no customJobs"):
        cluster.run(**QUICK)

    steps = cluster.run(**QUICK)
    assert {"ResolveInputs", "Trainer"} <= {n for n, step in steps.items() if not step.cached}
    assert steps["Transform"].cached
    (replicas,) = begun
    for name, process in replicas.processes.items():
        assert process.wait(timeout=60) == 0, replicas.log(name)
        assert "Training complete. Model written" in replicas.log(name)
    assert "resumes from the checkpoint" not in replicas.log("workerpool0-0")

    artifacts = steps["Trainer"].artifacts
    (model,) = root.glob("*/Trainer_*/model/*")
    assert str(model.parent) == artifacts["model"].uri
    (history,) = root.glob("*/Trainer_*/model_run/history.json")
    assert len(json.loads(history.read_text())["steps"]) == QUICK["steps"]
    assert len(list(history.parent.rglob("events.*"))) == 1  # the chief's
    assert not list((root / "checkpoints").iterdir())

    pushed = properties(steps, "Pusher", "pushed_model")
    assert pushed["pushed"] == 1
    (served,) = (root / "serving").glob("[0-9]*")
    assert pushed["pushed_destination"] == str(served)
    image = encode(gradient(), "PNG")
    with ServingProcess(containers.bin / "python") as process:
        answers = process.ask(served, {"serving_default": {"image_bytes": [image]}})
    assert answers["serving_default"]["probabilities"].shape == (1, 10)
