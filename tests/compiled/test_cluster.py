"""Tests that the stand-in refuses jobs that Vertex AI or Kubeflow Pipelines would refuse."""

import json
from pathlib import Path

import pytest
import yaml

from tests.compiled.cluster import Cluster, JobError
from tests.compiled.containers import Containers

NONE = Containers(Path("/nowhere"), Path("/nowhere"))  # no test here runs a container


@pytest.fixture(scope="module")
def job(compile_to, tmp_path_factory):
    folder = tmp_path_factory.mktemp("job")
    arguments = ["--model", "vit_mini_fe", "--dataset", "digits", "--pipeline-root", "/root"]
    return json.loads(compile_to(folder / "job.json", *arguments).read_text())


def change(spec, path, value):
    """Sets the value at `path`, with "/" between keys; None deletes the key."""
    *parents, last = path.split("/")
    for key in parents:
        spec = spec[key]
    if value is None:
        del spec[last]
    else:
        spec[last] = value


TASKS = "root/dag/tasks"
EXECUTORS = "deploymentSpec/executors"


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("schemaVersion", "2.0.0", "schema version 2.0.0"),
        (f"{TASKS}/Trainer/componentRef/name", "Nobody", "there is no component Nobody"),
        (
            f"{TASKS}/Transform/inputs/artifacts/examples/taskOutputArtifact/producerTask",
            "Nobody",
            "there is no task Nobody",
        ),
        (
            f"{TASKS}/Transform/inputs/artifacts/examples/taskOutputArtifact/producerTask",
            "PackagedSchema",
            r"Transform\.examples: there is no such output",
        ),
        (
            f"{TASKS}/Pusher/inputs/parameters/push_destination/taskOutputParameter/producerTask",
            "ResolveInputs_task",
            "there is no task ResolveInputs_task",
        ),
        (f"{TASKS}/Transform/inputs/parameters/splits_config", None, "the parameters differ"),
        (
            f"{TASKS}/ImageExampleGen/inputs/parameters/max_side/runtimeValue/constant",
            "big",
            "the constant has the wrong type",
        ),
        (f"{TASKS}/ResolveInputs/dependentTasks", ["Pusher"], "can never begin"),
        (f"{EXECUTORS}/Trainer_executor", {"resolver": {}}, "its executor is not a container"),
        (f"{EXECUTORS}/Trainer_executor/container/image", "", "no image"),
    ],
)
def test_an_invalid_job_is_refused(job, tmp_path, path, value, message):
    changed = json.loads(json.dumps(job))
    change(changed["pipelineSpec"], path, value)
    (tmp_path / "job.json").write_text(json.dumps(changed))
    (tmp_path / "pipeline.yaml").write_text(yaml.safe_dump(changed["pipelineSpec"]))
    for file in ("job.json", "pipeline.yaml"):
        with pytest.raises(JobError, match=message):
            Cluster(tmp_path / file, containers=NONE, folder=tmp_path, root=Path("/root"))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"epoch": 3}, "the pipeline has no parameters"),
        ({"epochs": "3"}, "epochs has a value of another type"),
    ],
)
def test_invalid_parameters_are_refused(job, tmp_path, given, message):
    (tmp_path / "job.json").write_text(json.dumps(job))
    root = Path("/root")
    cluster = Cluster(tmp_path / "job.json", containers=NONE, folder=tmp_path, root=root)
    with pytest.raises(JobError, match=message):
        cluster.run(**given)
