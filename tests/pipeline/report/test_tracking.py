"""Tests of `--track mlflow`. If the package mlflow is installed, a real MLflow is used."""

import importlib.util
import io
import json
from types import SimpleNamespace

import pytest

from common.errors import InputError
from pipeline.options.build import build_config
from pipeline.options.settings import Setting
from pipeline.report import tracking
from pipeline.report.console import Console

with_mlflow = pytest.mark.skipif(
    importlib.util.find_spec("mlflow") is None, reason="no mlflow (pip install mlflow-skinny)"
)
SETTINGS = {"model": "vit_mini_fe", "dataset": "digits", "name": "tracked"}


def configure(**more):
    values = SETTINGS | {key.replace("__", "."): value for key, value in more.items()}
    return build_config({key: Setting(value, f"--{key}") for key, value in values.items()})


@pytest.fixture
def report(tmp_path):
    """Returns a stand-in for a `Report` that has only the attributes that `track_run` reads."""
    model = tmp_path / "model" / "Format-Serving"
    (model / "variables").mkdir(parents=True)
    (model / "saved_model.pb").write_bytes(b"graph")
    (model / "variables" / "variables.index").write_bytes(b"index")
    (tmp_path / "report.html").write_text("<title>tracked</title>")
    history = {
        "steps": [{"step": n, "loss": 1 / n} for n in range(1, 1201)],
        "epochs": [{"step": 1200, "val_accuracy": 0.9}],
    }
    (tmp_path / "history.json").write_text(json.dumps(history))
    return SimpleNamespace(
        accuracy=0.9,
        test_images=100,
        interval=(0.8, 0.95),
        worst_class=("7", 0.7, 10),
        calibration={"coverage": 1.0},
        serving=SimpleNamespace(latency_ms={"1": {"p50": 12.5}}),
        gate=SimpleNamespace(blessed=True),
        pushed_to="/serving/1",
        unpushed="",
        page=str(tmp_path / "report.html"),
        artifacts={"Trainer.model_run": str(tmp_path), "Trainer.model": str(tmp_path / "model")},
    )


@pytest.fixture
def log(report, monkeypatch):
    """Returns a function that logs the report to a server and returns the printed text."""

    def log(address):
        monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
        monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
        monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
        screen = io.StringIO()
        tracking.track_run(configure(), report, Console(screen, io.StringIO()))
        return screen.getvalue()

    return log


@with_mlflow
def test_parameters_metrics_curves_page_and_model_are_logged(log, tmp_path):
    from mlflow import MlflowClient

    store = f"file://{tmp_path}/store"
    assert f"mlflow: {store}: experiment tracked, run " in log(store)
    client = MlflowClient(store)
    (run,) = client.search_runs([client.get_experiment_by_name("tracked").experiment_id])
    assert run.data.params["dataset"] == "digits"
    assert run.data.params["train.optimizer"] == "adamw"
    assert run.data.metrics["test_accuracy"] == 0.9
    assert run.data.metrics["serving_ms_batch_1"] == 12.5
    assert run.data.metrics["val_accuracy"] == 0.9
    assert run.data.tags["pushed_to"] == "/serving/1"
    losses = client.get_metric_history(run.info.run_id, "train_loss")
    assert len(losses) == 1200
    files = [file.path for file in client.list_artifacts(run.info.run_id)]
    assert sorted(files) == ["model", "report.html"]
    model = [file.path for file in client.list_artifacts(run.info.run_id, "model")]
    assert sorted(model) == ["model/saved_model.pb", "model/variables"]


@with_mlflow
def test_a_server_that_does_not_respond_costs_a_warning(log, capfd):
    text = log("http://somebody:hunter2@127.0.0.1:9")
    assert text.startswith("The run was not logged to MLflow: ")
    assert "hunter2" not in text + capfd.readouterr().out


@pytest.mark.skipif(importlib.util.find_spec("mlflow") is not None, reason="mlflow is installed")
def test_a_missing_package_is_said_before_anything_runs():
    with pytest.raises(
        InputError, match=r"^--run.track mlflow: the package mlflow is not installed"
    ):
        configure(run__track="mlflow")


def test_a_cluster_tracks_nothing():
    with pytest.raises(InputError, match=r"has no effect with --runner kubeflow"):
        configure(run__track="mlflow", run__runner="kubeflow", pipeline_root="gs://b/r")
