"""Reads the result of a run from the artifacts of the run.

A run that takes all outputs from the cache has the same artifacts as the run that wrote these
outputs, so both runs report the same result.
"""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import tensorflow_model_analysis as tfma
from tfx.utils import path_utils

from common.interval import wilson_interval
from components.backbone_transform.executor import WARNING
from components.image_example_gen.counts import QUARANTINE_FILE, read_counts
from components.model_evaluator.calibration_metrics import NAMES
from components.model_evaluator.reasons import ACCURACY
from components.model_evaluator.verdict import Verdict
from components.model_pusher.executor import WAS_SERVED
from components.node_usage import read_usage
from components.report.artifact_files import page_of
from components.report.contents import NodeUsage
from components.report.read_artifacts import list_anomalies
from components.report.slowest_nodes import name_slowest
from components.serving_check.findings import Findings, read_findings
from pipeline.report.lineage import NodeRun
from trainer.serving.exported_model import read_classes


@dataclasses.dataclass(frozen=True, kw_only=True)
class Report:
    """The result of a run.

    Attributes:
      accuracy: accuracy of the exported model on the test split, in [0, 1].
      test_images: number of images in the test split.
      interval: 95 % confidence interval of the accuracy.
      calibration: the metrics of `components.model_evaluator.calibration_metrics`, by name.
      worst_class: name, recall and number of images of the class with the lowest recall.
      gate: the verdict of the gate, with the measured values, the reasons and the warnings.
      serving: the findings of ServingCheck.
      pushed_to: the directory of the pushed model, from which a model server loads the model; None
        if Pusher pushed no model.
      was_served: whether Pusher copied nothing, because the model was already in the serving
        directory when the run started.
      unpushed: the reason why Pusher did not push the model; empty if Pusher pushed the model.
      images: the numbers of images that ImageExampleGen read, wrote to each split, and quarantined.
      quarantine: the file that lists the quarantined images.
      anomalies: differences between the examples and the schema, one line each.
      page: the path or URI of the report's HTML page.
      warning: Transform's warning about the range of pixel values; empty if there is no warning.
      artifacts: the URIs of the artifacts, by names such as `Trainer.model`.
      slowest: the nodes that took the most time, with their times; empty if no node ran.
    """

    accuracy: float
    test_images: int
    interval: tuple[float, float]
    calibration: Mapping[str, float]
    worst_class: tuple[str, float, int]
    gate: Verdict
    serving: Findings
    pushed_to: str | None
    was_served: bool
    unpushed: str
    images: Mapping[str, int]
    quarantine: str
    anomalies: tuple[str, ...]
    page: str
    warning: str
    artifacts: Mapping[str, str]
    slowest: str


def make_report(run: Mapping[str, NodeRun]) -> Report:
    """Makes the report of a finished run.

    Args:
      run: the nodes of the run, from `pipeline.report.lineage.latest_run`.
    """
    evaluator = run["Evaluator"].outputs
    (evaluation,) = evaluator["evaluation"]
    (infra_blessing,) = run["ServingCheck"].outputs["blessing"]
    (pushed,) = run["Pusher"].outputs["pushed_model"]
    (examples,) = run["ImageExampleGen"].outputs["examples"]
    (anomalies,) = run["ExampleValidator"].outputs["anomalies"]
    (model,) = run["Trainer"].outputs["model"]
    (report,) = run["Report"].outputs["report"]
    (graph,) = run["Transform"].outputs["transform_graph"]
    result = tfma.load_eval_result(evaluation.uri)
    metrics = result.get_metrics_for_slice()
    accuracy, images = _read_accuracy(metrics)
    classes = read_classes(path_utils.serving_model_path(model.uri)) or []
    recalls = dict(_read_recalls(result, classes))
    return Report(
        accuracy=accuracy,
        test_images=images,
        interval=wilson_interval(round(accuracy * images), images),
        calibration={name: metrics[name]["doubleValue"] for name in NAMES},
        worst_class=min(
            ((name, *found) for name, found in recalls.items()), key=lambda found: found[1]
        ),
        gate=Verdict.read(evaluation.uri),
        serving=read_findings(infra_blessing.uri),
        pushed_to=(
            pushed.get_string_custom_property("pushed_destination")
            if pushed.get_int_custom_property("pushed")
            else None
        ),
        unpushed=pushed.get_string_custom_property("reason") or "",
        was_served=bool(pushed.get_int_custom_property(WAS_SERVED)),
        images=read_counts(examples.uri),
        quarantine=f"{examples.uri}/{QUARANTINE_FILE}",
        anomalies=tuple(list_anomalies(anomalies)),
        page=page_of(report.uri),
        warning=graph.get_string_custom_property(WARNING),
        artifacts={
            f"{node}.{key}": artifact.uri
            for node, node_run in run.items()
            for key, artifacts in node_run.outputs.items()
            for artifact in artifacts
            if Path(artifact.uri).exists() or "://" in artifact.uri
        },
        slowest=name_slowest(list(_usages(run))),
    )


def _usages(run: Mapping[str, NodeRun]) -> Iterator[NodeUsage]:
    """Yields the duration and peak memory that each node recorded in its outputs."""
    for name, node in run.items():
        artifacts = (artifact for output in node.outputs.values() for artifact in output)
        usage = next(filter(None, map(read_usage, artifacts)), None)
        if usage is not None:
            yield NodeUsage(
                node=name,
                seconds=usage.seconds,
                peak_mb=usage.peak_mb,
                cached=node.cached,
                started=usage.started,
            )


def _read_accuracy(metrics: Mapping[str, Any]) -> tuple[float, int]:
    """Returns the accuracy and the number of images from TFMA's metrics for a slice, such as a
    class.
    """
    return metrics[ACCURACY]["doubleValue"], round(metrics["example_count"]["doubleValue"])


def _read_recalls(result: Any, classes: Sequence[str]) -> Iterator[tuple[str, tuple[float, int]]]:
    """Yields the name, the recall and the number of images of each class in the test split."""
    for key in result.get_slice_names():
        if key:
            ((_, label),) = key
            yield classes[int(label)], _read_accuracy(result.get_metrics_for_slice(key))
