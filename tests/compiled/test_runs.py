"""Runs the compiled pipeline step by step, with the installed packages of the container image.

These tests imitate runs on Kubeflow Pipelines; `test_custom_job.py` imitates a run on Vertex AI.
`tests.compiled.cluster` imitates Kubeflow Pipelines, except for the behaviour listed in the
docstring of `tests.compiled.cluster`. A step can access neither the source tree nor the model cache
of this machine.
"""

import dataclasses
import json
from pathlib import Path, PurePosixPath

import pytest

from common.file_records import hash_records, record_files
from components.data_check.issues import EXAMINED_FILE, LABEL
from tests.compiled.cluster import Cluster, Step, StepFailed, properties
from tests.conftest import digit_folders

pytestmark = pytest.mark.slow

DIGITS = ("--model", "vit_mini_fe", "--dataset", "digits")
QUICK = {"steps": 60, "min_accuracy": 0.2}
TOO_MUCH = {"min_accuracy": 1.0}
LOOKS = {"ResolveInputs"}


def ran(steps):
    return {name for name, step in steps.items() if not step.cached}


HEAD = ("--tune", "head", "--set", "gate.max_drop=1", "--data-check", "full")
STORE = "minio://mlpipeline/digits"  # a folder in the default bucket of Kubeflow Pipelines


@dataclasses.dataclass
class Kubeflow:
    """Three runs on Kubeflow Pipelines, with artifacts in a store that only the launcher can read.

    Attributes:
      cluster: the stand-in for Kubeflow Pipelines.
      arguments: the command-line arguments that compiled the pipeline of the third run. For the
        first two runs, the pipeline was compiled with `--tuner 2` in addition.
      state: the folder `cloud.state_dir`, in a volume.
      runs: the steps of each run. The second run repeats the first run. The third run trains for 40
        instead of 60 steps, and requires an accuracy of 1, which the model does not reach.
    """

    cluster: Cluster
    arguments: tuple[str, ...]
    state: Path
    runs: tuple[dict[str, Step], ...] = ()

    @property
    def served(self) -> list[Path]:
        return list(self.state.glob("serving/[0-9]*"))


@pytest.fixture(scope="module")
def kubeflow(compile_to, containers, tmp_path_factory):
    folder = tmp_path_factory.mktemp("kubeflow")
    state = folder / "volume" / "digits"
    storage = [f"cloud.volumes=vit-state:{state.parent}", f"cloud.state_dir={state}"]
    arguments = (*DIGITS, *HEAD, "--pipeline-root", STORE)
    arguments += tuple(word for setting in storage for word in ("--set", setting))
    job = compile_to(folder / "tuned.yaml", *arguments, "--tuner", "2")
    cluster = Cluster(job, containers=containers, folder=folder / "disks", root=STORE)
    first, second = cluster.run(**QUICK), cluster.run(**QUICK)
    cluster.upload(compile_to(folder / "pipeline.yaml", *arguments), STORE)
    third = cluster.run(**QUICK | TOO_MUCH | {"steps": 40})
    return Kubeflow(cluster, arguments, state, (first, second, third))


def test_on_kubeflow(kubeflow):
    first, *_ = kubeflow.runs
    pushed = properties(first, "Pusher", "pushed_model")
    assert pushed["pushed"] == 1
    assert [pushed["pushed_destination"]] == list(map(str, kubeflow.served))
    assert "baseline_model" not in properties(first, "Evaluator", "blessing")
    assert "transformed_examples" in first["Transform"].artifacts
    issues = kubeflow.cluster.path(first["DataCheck"].artifacts["data_issues"])
    assert LABEL in json.loads((Path(issues) / EXAMINED_FILE).read_text())


def test_every_artifact_is_in_the_store_and_read_from_there(kubeflow):
    """After each step, the launcher's copies are removed, so the next step reads from the store."""
    for task, step in kubeflow.runs[0].items():
        for key, artifact in step.artifacts.items():
            assert artifact.uri.startswith(f"{STORE}/"), (task, key)
    examples = kubeflow.cluster.path(kubeflow.runs[0]["ImageExampleGen"].artifacts["examples"])
    assert list(examples.glob("Split-test/*.gz"))
    assert not list(kubeflow.state.parents[1].glob("disks/*-*/minio"))


def test_the_next_model_is_compared_with_the_champion(kubeflow):
    """In the third run, the champion is the copy of the first run's model in the volume."""
    first, _, third = kubeflow.runs
    blessing = properties(third, "Evaluator", "blessing")
    assert blessing["current_model"] == third["Trainer"].artifacts["model"].uri
    (copy,) = kubeflow.state.glob("blessed/models/[!.]*")
    assert blessing["baseline_model"] == str(copy)
    model = kubeflow.cluster.path(first["Trainer"].artifacts["model"])
    assert copy.name == hash_records(record_files(str(model)))


def test_trainer_uses_the_best_hyperparameters_of_the_tuner(kubeflow):
    first, *_ = kubeflow.runs
    path = kubeflow.cluster.path
    found = path(first["Tuner"].artifacts["best_hyperparameters"])
    best = json.loads((found / "best_hyperparameters.txt").read_text())["values"]
    history = json.loads(
        (path(first["Trainer"].artifacts["model_run"]) / "history.json").read_text()
    )
    peak = max(step["learning_rate"] for step in history["steps"])
    assert peak == pytest.approx(best["train.learning_rate"])


def test_an_identical_second_run_computes_nothing(kubeflow):
    _, second, _ = kubeflow.runs
    assert ran(second) == LOOKS
    assert len(kubeflow.served) == 1


def test_a_run_whose_model_is_not_blessed_succeeds_and_says_why(kubeflow):
    *_, third = kubeflow.runs
    pushed = properties(third, "Pusher", "pushed_model")
    assert pushed["pushed"] == 0
    assert "accuracy" in pushed["reason"]
    assert "below 1.0000" in pushed["reason"]
    assert pushed["reason"] in third["Pusher"].log
    # `--wait` finds Pusher's output by the last parts of the URI: the name of the node, a random
    # name, and the name of the output.
    uri = PurePosixPath(third["Pusher"].artifacts["pushed_model"].uri.removeprefix(STORE))
    assert uri.match("/*/*/Pusher/*/pushed_model")
    assert len(kubeflow.served) == 1


def test_fail_on_unblessed(kubeflow, compile_to, tmp_path):
    """The option --fail-on-unblessed changes only Pusher, so the other nodes are cached.

    Pusher fails, because the model is not blessed.
    """
    arguments = (*kubeflow.arguments, "--fail-on-unblessed")
    kubeflow.cluster.upload(compile_to(tmp_path / "pipeline.yaml", *arguments), STORE)
    with pytest.raises(StepFailed, match=r"Pusher: exit status 1[^$]*below 1\.0000"):
        kubeflow.cluster.run(**QUICK | TOO_MUCH | {"steps": 40})


def test_a_parameter_out_of_range_fails_the_first_step(kubeflow):
    message = r"\n[\w.]+Executor: parameter batch_size -1: expected a whole number of .*\n$"
    with pytest.raises(StepFailed, match=message):
        kubeflow.cluster.run(batch_size=-1)


def test_a_source_that_changed_is_seen_by_the_next_run(compile_to, containers, tmp_path):
    """ImageExampleGen runs again when an image in the folder of the source has changed.

    The stand-in imitates Kubeflow Pipelines 2.14.3, the oldest release in docs/kubeflow.md.
    """
    dataset = digit_folders(tmp_path / "images", 200)
    root = tmp_path / "root"
    arguments = ["--model", "vit_mini_fe", "--dataset", "/nowhere/yet", "--name", "folder"]
    job = compile_to(tmp_path / "pipeline.yaml", *arguments, "--pipeline-root", str(root))
    cluster = Cluster(
        job, containers=containers, folder=tmp_path / "disks", root=root, kubeflow="2.14.3"
    )

    def run():
        return cluster.run(until="ImageExampleGen", data_path=str(dataset))

    assert ran(run()) == LOOKS | {"ImageExampleGen"}
    assert ran(run()) == LOOKS
    one, other = sorted(dataset.glob("*/*"))[:2]
    one.write_bytes(other.read_bytes())
    assert ran(run()) == LOOKS | {"ImageExampleGen"}
