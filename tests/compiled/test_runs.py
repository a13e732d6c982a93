"""The compiled pipeline really runs, step by step, from an environment as the image has it.

What stands for the backend is `tests.compiled.cluster`, whose docstring says what it does not
imitate. Neither the source tree nor the model cache of this machine is in reach of a step.
"""

import json
from pathlib import Path

import pytest

from common.custom_config import from_custom_config
from components.model_pusher.verdict import Verdict
from tests.compiled.cluster import Cluster, StepFailed
from tests.conftest import encode, gradient
from trainer.serving.serving_process import ServingProcess
from trainer.training.settings import TrainerSettings

pytestmark = pytest.mark.slow

DIGITS = ("--model", "vit_mini_fe", "--dataset", "digits")
QUICK = {"steps": 60, "min_accuracy": 0.2}
TOO_MUCH = {"min_accuracy": 1.0}
LOOKS = {"ResolveInputs"}


@pytest.fixture(scope="module")
def run_on(compile_to, container_bin, tmp_path_factory):
    """Makes a cluster with a pipeline that was compiled for it."""

    def run_on(file: str, *arguments: str) -> tuple[Cluster, Path]:
        folder = tmp_path_factory.mktemp("cluster")
        root = folder / "root"
        job = compile_to(folder / file, *DIGITS, "--pipeline-root", str(root), *arguments)
        return Cluster(job, bin=container_bin, folder=folder / "disks", root=root), root

    return run_on


def properties(steps, task, output):
    """Returns the metadata of an output artifact."""
    return dict(steps[task].artifacts[output].metadata)


def ran(steps):
    return {name for name, step in steps.items() if not step.cached}


def hyperparameters(steps):
    resolved = steps["ResolveInputs"].parameters["trainer_custom_config"].string_value
    return from_custom_config(TrainerSettings, resolved).training.hyperparameters


def test_on_vertex(run_on, container_bin):
    cluster, root = run_on("job.json")
    steps = cluster.run(**QUICK)
    pushed = properties(steps, "Pusher", "pushed_model")
    assert pushed["pushed"] == 1
    (served,) = (root / "serving").glob("[!.]*")
    assert pushed["pushed_destination"] == str(served)
    assert hyperparameters(steps).steps == 60
    image = encode(gradient(), "PNG")
    with ServingProcess(container_bin / "python") as process:
        answers = process.ask(served, {"serving_default": {"image_bytes": [image]}})
    assert answers["serving_default"]["probabilities"].shape == (1, 10)


HEAD = ("--tune", "head", "--tuner", "2", "--set", "gate.max_drop=1")


@pytest.fixture(scope="module")
def kubeflow(run_on):
    """Three runs on Kubeflow Pipelines: the second repeats the first, the third requires too high
    an accuracy.
    """
    cluster, root = run_on("pipeline.yaml", *HEAD)
    first, second = cluster.run(**QUICK), cluster.run(**QUICK)
    return cluster, root, (first, second, cluster.run(**QUICK | TOO_MUCH))


def test_on_kubeflow(kubeflow):
    *_, (first, *_) = kubeflow
    assert properties(first, "Pusher", "pushed_model")["pushed"] == 1
    assert "baseline_model" not in properties(first, "Evaluator", "blessing")
    assert "transformed_examples" in first["Transform"].artifacts


def test_trainer_takes_what_the_tuner_found(kubeflow):
    *_, (first, *_) = kubeflow
    found = Path(first["Tuner"].artifacts["best_hyperparameters"].uri)
    best = json.loads((found / "best_hyperparameters.txt").read_text())["values"]
    history = json.loads(
        Path(first["Trainer"].artifacts["model_run"].uri, "history.json").read_text()
    )
    peak = max(step["learning_rate"] for step in history["steps"])
    assert peak == pytest.approx(best["train.learning_rate"])


def test_an_identical_second_run_computes_nothing(kubeflow):
    """Pusher looks whether the model is still served."""
    _, root, (_, second, _) = kubeflow
    assert ran(second) == LOOKS | {"Pusher"}
    assert len(list((root / "serving").glob("[!.]*"))) == 1


def test_a_run_whose_model_is_not_blessed_succeeds_and_says_why(kubeflow):
    _, root, (*_, third) = kubeflow
    pushed = properties(third, "Pusher", "pushed_model")
    assert pushed["pushed"] == 0
    assert "accuracy" in pushed["reason"]
    assert "below 1.0000" in pushed["reason"]
    assert pushed["reason"] in third["Pusher"].log
    verdict = Path(third["Pusher"].artifacts["verdict"].uri)
    assert Verdict.from_json(json.loads(verdict.read_text())) == Verdict(False, pushed["reason"])
    # `--wait` looks for it in the directory root/pipeline/run.
    assert verdict.relative_to(root).match("*/*/Pusher/*/verdict")
    assert len(list((root / "serving").glob("[!.]*"))) == 1


def test_fail_on_unblessed(kubeflow, compile_to, tmp_path):
    """A new version of the pipeline runs, which takes the other nodes from the cache."""
    cluster, root, _ = kubeflow
    arguments = (*DIGITS, *HEAD, "--pipeline-root", str(root), "--fail-on-unblessed")
    cluster.upload(compile_to(tmp_path / "pipeline.yaml", *arguments), root)
    with pytest.raises(StepFailed, match=r"Pusher: exit status 1[^$]*below 1\.0000"):
        cluster.run(**QUICK | TOO_MUCH)


def test_a_parameter_out_of_range_fails_the_first_step(run_on):
    cluster, _ = run_on("pipeline.yaml")
    with pytest.raises(StepFailed, match="parameter batch_size -1: expected a whole number"):
        cluster.run(batch_size=-1)


def test_a_source_that_changed_is_seen_by_the_next_run(compile_to, container_bin, tmp_path):
    """The pipeline knows the data only by a path, on a disk that all containers share.

    On the oldest release of Kubeflow Pipelines that docs/kubeflow.md names.
    """
    from components.image_example_gen.sources.digits import _images

    dataset = tmp_path / "images"
    for image in _images()[:200]:
        directory = dataset / f"digit_{image.label}"
        directory.mkdir(parents=True, exist_ok=True)
        (directory / image.file_name).write_bytes(image.encoded)
    root = tmp_path / "root"
    arguments = ["--model", "vit_mini_fe", "--dataset", "/nowhere/yet", "--name", "folder"]
    job = compile_to(tmp_path / "pipeline.yaml", *arguments, "--pipeline-root", str(root))
    cluster = Cluster(
        job, bin=container_bin, folder=tmp_path / "disks", root=root, kubeflow="2.14.3"
    )

    def run():
        return cluster.run(until="ImageExampleGen", data_path=str(dataset))

    assert ran(run()) == LOOKS | {"ImageExampleGen"}
    assert ran(run()) == LOOKS
    one, other = sorted(dataset.glob("*/*"))[:2]
    one.write_bytes(other.read_bytes())
    assert ran(run()) == LOOKS | {"ImageExampleGen"}


def test_a_root_of_another_pipeline_is_refused(compile_to, container_bin, tmp_path):
    """The first step refuses it, because only the cluster can read a remote root."""
    root = tmp_path / "root"
    root.mkdir()
    (root / ".pipeline-name").write_text("other")
    job = compile_to(tmp_path / "job.json", *DIGITS, "--pipeline-root", str(root))
    cluster = Cluster(job, bin=container_bin, folder=tmp_path / "disks", root=root)
    with pytest.raises(StepFailed, match="belongs to the pipeline other"):
        cluster.run(until="ResolveInputs")
