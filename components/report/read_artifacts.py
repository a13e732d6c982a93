"""Reads the contents of a report from the artifacts of a run."""

import dataclasses
import datetime
import json
from collections.abc import Iterator, Mapping
from typing import Any

from tfx.types import Artifact, artifact_utils

from common.files import read_bytes, read_json
from common.text import make_printable
from common.versions import installed_versions
from components.backbone_transform.executor import WARNING
from components.data_check.issues import EXAMINED_FILE, KINDS, read_issues
from components.example_check.anomalies import read_anomalies
from components.examples import list_splits
from components.image_example_gen.counts import (
    QUARANTINE_FILE,
    read_counts,
    read_counts_of_classes,
)
from components.image_example_gen.sources.base import TRAIN
from components.model_evaluator.heat_maps import read_heat_maps
from components.model_evaluator.predictions import read_predictions
from components.model_evaluator.verdict import Verdict as GateVerdict
from components.model_pusher.executor import WAS_SERVED
from components.node_usage import read_usage
from components.report.answers import Answers
from components.report.contact_sheets import read_contact_sheets
from components.report.contents import (
    ContactSheet,
    Contents,
    Curves,
    Data,
    Issues,
    NodeUsage,
    Verdict,
)
from components.report.issue_groups import choose_issue_images
from components.report.page import choose_mistakes
from components.report.settings import ReportSettings
from components.report.thumbnails import SMALL_SIDE, read_thumbnails
from components.store_uri import read_store_uri

_MOST_QUARANTINED = 100  # largest number of quarantined images that a report lists
_LIBRARIES = ("tensorflow", "keras", "tfx", "apache_beam", "tensorflow_model_analysis", "numpy")
# Maps keys of `artifacts`, an argument of `read_contents`, to the nodes that write the artifacts:
# one key for each node, in the order in which the nodes run.
_NODES = {
    "examples": "ImageExampleGen",
    "statistics": "StatisticsGen",
    "schema": "Schema",
    "anomalies": "ExampleValidator",
    "data_issues": "DataCheck",
    "transform_graph": "Transform",
    "best_hyperparameters": "Tuner",
    "model": "Trainer",
    "evaluation": "Evaluator",
    "infra_blessing": "ServingCheck",
    "pushed_model": "Pusher",
}


def read_contents(
    settings: ReportSettings,
    artifacts: Mapping[str, Artifact],
    *,
    run: str,
    stopped: str = "",
    is_inspection: bool = False,
) -> Contents:
    """Reads the contents of a report.

    Args:
      settings: the settings of the node Report.
      artifacts: the artifacts of the nodes that ran, by the names of Report's inputs.
      run: in a local run, the id of the run (see `components.node_usage.Usage`); on a cluster, the
        URI of the report.
      stopped: the reason why the run stopped early; empty if it ran to its end.
      is_inspection: whether the run only checks the images (`--inspect`).
    """
    found = dict(artifacts)
    answers = _read_answers(found, settings)
    graph = found.get("transform_graph")
    now = datetime.datetime.now(datetime.UTC)
    return Contents(
        settings=settings,
        made_at=now.strftime("%Y-%m-%d %H:%M UTC"),
        versions=installed_versions(("pipeline_runner", *_LIBRARIES)),
        stopped=stopped,
        is_inspection=is_inspection,
        sheets=list(_read_sheets(found, settings)) if is_inspection else [],
        data=_read_data(found, settings),
        issues=_read_issues(found),
        curves=_read_curves(found),
        answers=answers,
        verdict=_read_verdict(found),
        thumbnails=_read_thumbnails(found, answers),
        heat_maps=read_heat_maps(found["evaluation"].uri) if answers else None,
        warning=(graph.get_string_custom_property(WARNING) or "") if graph else "",
        nodes=list(_read_usages(found, run)),
        artifacts={
            f"{node}.{key}": read_store_uri(found[key])
            for key, node in _NODES.items()
            if key in found
        },
    )


def list_anomalies(artifact: Artifact) -> Iterator[str]:
    """Yields the differences between the examples and the schema, one line each."""
    for split, found in read_anomalies(artifact):
        for feature, anomaly in sorted(found.anomaly_info.items()):
            yield f"{split}: {feature}: {anomaly.short_description}"
        if found.HasField("dataset_anomaly_info"):
            yield f"{split}: all examples: {found.dataset_anomaly_info.short_description}"


def _read_data(found: Mapping[str, Artifact], settings: ReportSettings) -> Data | None:
    examples, anomalies = found.get("examples"), found.get("anomalies")
    if examples is None:
        return None
    lines = (read_bytes(f"{examples.uri}/{QUARANTINE_FILE}") or b"").splitlines()
    return Data(
        counts=read_counts(examples.uri),
        by_class=read_counts_of_classes(examples.uri, len(settings.classes)),
        quarantine=[_read_record(line) for line in lines[:_MOST_QUARANTINED]],
        anomalies=tuple(list_anomalies(anomalies)) if anomalies else (),
    )


def _read_sheets(found: Mapping[str, Artifact], settings: ReportSettings) -> Iterator[ContactSheet]:
    examples = found["examples"]
    counts = read_counts_of_classes(examples.uri, len(settings.classes))
    split = artifact_utils.get_split_uri([examples], TRAIN)
    return read_contact_sheets(split, settings.classes, counts[TRAIN])


def _read_record(line: bytes) -> dict[str, str]:
    record = json.loads(line)
    return {
        # Python reads a file name that is not UTF-8 as a string with surrogates, which cannot be
        # written to a page.
        "file_name": make_printable(record["file_name"]),
        "reason": make_printable(f"{record['reason']}: {record['detail']}"),
    }


def _read_issues(found: Mapping[str, Artifact]) -> Issues | None:
    if "data_issues" not in found:
        return None
    uri = found["data_issues"].uri
    examined = read_json(f"{uri}/{EXAMINED_FILE}", "the kinds of issues of the data check")
    issues = Issues(
        records=read_issues(uri),
        examined={kind: KINDS[kind] for kind in examined or () if kind in KINDS},
    )
    images = read_thumbnails(
        list_splits(found["examples"]), choose_issue_images(issues), SMALL_SIDE
    )
    return dataclasses.replace(issues, thumbnails=images)


def _read_curves(found: Mapping[str, Artifact]) -> Curves | None:
    if "model_run" not in found:
        return None
    values = read_json(f"{found['model_run'].uri}/history.json", "the curves of a training")
    return Curves(steps=values["steps"], epochs=values["epochs"]) if values else None


def _read_answers(found: Mapping[str, Artifact], settings: ReportSettings) -> Answers | None:
    if "evaluation" not in found:
        return None
    table = read_predictions(found["evaluation"].uri)
    return Answers.from_columns(table.to_pydict(), settings.classes)


def _read_thumbnails(found: Mapping[str, Artifact], answers: Answers | None) -> dict[str, Any]:
    if answers is None:
        return {}
    files = [str(answers.files[index]) for index in choose_mistakes(answers)]
    return read_thumbnails([artifact_utils.get_split_uri([found["examples"]], "test")], files)


def _read_verdict(found: Mapping[str, Artifact]) -> Verdict | None:
    evaluation, pushed = found.get("evaluation"), found.get("pushed_model")
    if evaluation is None or pushed is None:
        return None
    gate = GateVerdict.read(evaluation.uri)
    is_pushed = bool(pushed.get_int_custom_property("pushed"))
    return Verdict(
        blessed=gate.blessed,
        reasons="; ".join(gate.reasons),
        limits=[limit.describe() for limit in gate.limits],
        floor=next((limit.limit for limit in gate.limits if limit.name == "accuracy"), None),
        comparison=gate.comparison.describe() if gate.comparison else "",
        warnings=gate.warnings,
        pushed_to=pushed.get_string_custom_property("pushed_destination") if is_pushed else "",
        version=pushed.get_string_custom_property("pushed_version") if is_pushed else "",
        was_served=bool(pushed.get_int_custom_property(WAS_SERVED)),
        unpushed=pushed.get_string_custom_property("reason") or "",
    )


def _read_usages(found: Mapping[str, Artifact], run: str) -> Iterator[NodeUsage]:
    for key, node in _NODES.items():
        usage = read_usage(found[key]) if key in found else None
        if usage is not None:
            yield NodeUsage(
                node=node,
                seconds=usage.seconds,
                peak_mb=usage.peak_mb,
                cached=_is_cached(usage.run, found[key].uri, run),
                started=usage.started,
            )


def _is_cached(ran_in: str, uri: str, run: str) -> bool:
    """Whether an earlier run, and not the current run, wrote the artifact at `uri`.

    In a local run, `ran_in` is the id of the run that wrote the artifact, and `run` is the id of
    the current run. On a cluster, `ran_in` is empty, and `run` is the URI of the current run's
    report. Each run on a cluster writes its artifacts to a folder of its own, so an artifact
    outside the folder of the current run comes from an earlier run. The name of Report's folder, a
    subfolder of the run's folder, begins with `Report`.
    """
    if ran_in:
        return ran_in != run
    folder, node, _ = run.rpartition("/Report")
    return bool(node) and not uri.startswith(f"{folder}/")
