"""Logs the results of a run to MLflow.

MLflow is an optional dependency, so only this module imports it.
"""

import logging
import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tfx.dsl.io import fileio
from tfx.utils import io_utils, path_utils

from common.errors import one_line
from common.files import read_json
from common.urls import remove_secrets
from pipeline.options.command import describe_options, make_command
from pipeline.options.config import Config
from pipeline.report.console import Console
from pipeline.report.outcome import Report

logger = logging.getLogger(__name__)

# The following environment variables keep MLflow from trying for several minutes to reach a server
# that does not respond.
_PATIENCE = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2", "MLFLOW_HTTP_REQUEST_TIMEOUT": "60"}
# The following environment variable keeps MLflow from printing the URL of the run, which may
# contain a password.
_SILENCE = {"MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true"}
_LONGEST = 500  # the most characters in a parameter's value that older MLflow servers accept


def track_run(config: Config, report: Report, console: Console) -> None:
    """Logs parameters, metrics, curves, the report and the model of a finished run to MLflow.

    MLflow's environment variables, such as MLFLOW_TRACKING_URI and MLFLOW_TRACKING_TOKEN, set the
    server and the credentials. The name of the pipeline is the name of the experiment. If MLflow
    fails, the console shows a warning, and the result of the run does not change.
    """
    console.show_activity("logging the run to MLflow")
    for name, value in _PATIENCE.items():
        os.environ.setdefault(name, value)
    os.environ.update(_SILENCE)
    try:
        address = _log(config, report)
    # This function catches all exceptions, because MLflow and its storage clients raise many types.
    except Exception as error:
        logger.warning("MLflow failed.", exc_info=True)
        console.warn(
            f"The run was not logged to MLflow: {remove_secrets(one_line(error))}; see the log. "
            "The same command logs the run again, and takes everything else from the cache."
        )
        return
    console.line(f"mlflow: {address}")


def _log(config: Config, report: Report) -> str:
    """Logs the run to MLflow, and returns a text with the server, the experiment and the run id."""
    import mlflow

    mlflow.set_experiment(config.name)
    with mlflow.start_run(tags=dict(_tags(config, report))) as run:
        mlflow.log_params(
            {key: value[:_LONGEST] for key, value in describe_options(config).items()}
        )
        mlflow.log_metrics(dict(_metrics(report)))
        _log_curves(mlflow, report.artifacts["Trainer.model_run"])
        with _on_this_machine(report.page) as page:
            mlflow.log_artifact(str(page))
        model = path_utils.serving_model_path(report.artifacts["Trainer.model"])
        with _on_this_machine(model) as directory:
            mlflow.log_artifacts(str(directory), "model")
    server = remove_secrets(mlflow.get_tracking_uri())
    return f"{server}: experiment {config.name}, run {run.info.run_id}"


def _tags(config: Config, report: Report) -> Iterator[tuple[str, str]]:
    yield "command", make_command(config)
    yield "verdict", "blessed" if report.gate.blessed else "not blessed"
    if report.pushed_to:
        yield "pushed_to", report.pushed_to
    elif report.unpushed:
        yield "not_pushed", report.unpushed


def _metrics(report: Report) -> Iterator[tuple[str, float]]:
    yield "test_accuracy", report.accuracy
    yield "test_images", report.test_images
    yield from zip(("test_accuracy_low", "test_accuracy_high"), report.interval, strict=True)
    yield "worst_class_recall", report.worst_class[1]
    yield from report.calibration.items()
    for size, latency in report.serving.latency_ms.items():
        yield f"serving_ms_batch_{size}", latency["p50"]


def _log_curves(mlflow: Any, model_run: str) -> None:
    """Logs the metrics of training steps, with the prefix `train_`, and the metrics of epochs."""
    from mlflow.entities import Metric

    history: Mapping[str, Any] = read_json(f"{model_run}/history.json", "curves of a training")
    metrics = [
        Metric(prefix + name, value, 0, int(record["step"]))
        for key, prefix in (("steps", "train_"), ("epochs", ""))
        for record in (history or {}).get(key, ())
        for name, value in record.items()
        if name != "step"
    ]
    client = mlflow.MlflowClient()
    run_id = mlflow.active_run().info.run_id
    most = 1000  # the largest number of metrics that MLflow accepts in one request
    for start in range(0, len(metrics), most):
        client.log_batch(run_id, metrics=metrics[start : start + most])


@contextmanager
def _on_this_machine(path: str) -> Iterator[Path]:
    """A context that yields a local path: `path` itself, or a copy if `path` is in a bucket."""
    if "://" not in path:
        yield Path(path)
        return
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / path.rpartition("/")[2]
        copy = io_utils.copy_dir if fileio.isdir(path) else io_utils.copy_file
        copy(path, str(target))
        yield target
