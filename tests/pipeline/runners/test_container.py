"""Tests of the entry point of a step's container, with inputs as each backend sends them.

The tests in tests/compiled also run the entry point.
"""

import json

from google.protobuf import json_format
from kfp.pipeline_spec import pipeline_spec_pb2
from tfx.orchestration.kubeflow.v2.container import kubeflow_v2_entrypoint_utils

from components.report.artifact import HtmlReport
from pipeline.runners import container

SCHEMA = "title: tfx.Model\ntype: object\n"
SPEC = json_format.ParseDict(
    {"artifacts": {"model": {"artifactType": {"instanceSchema": SCHEMA}}}},
    pipeline_spec_pb2.ComponentInputsSpec(),
)


def complete_input(type_, outputs=(), declared=()):
    """Completes an ExecutorInput whose input is a model of type `type_`; returns it as a dict."""
    model = {"name": "7", "uri": "gs://bucket/model"} | ({"type": type_} if type_ else {})
    content = {
        "inputs": {"artifacts": {"model": {"artifacts": [model]}}},
        "outputs": {"artifacts": {name: {"artifacts": [{"uri": name}]} for name in outputs}},
    }
    executor_input = json_format.ParseDict(content, pipeline_spec_pb2.ExecutorInput())
    container.complete_executor_input(executor_input, SPEC, declared)
    return json_format.MessageToDict(executor_input)


def type_of(executor_input):
    (model,) = executor_input["inputs"]["artifacts"]["model"]["artifacts"]
    assert (model["name"], model["uri"]) == ("7", "gs://bucket/model")
    return model["type"]


def test_an_input_without_a_type_gets_the_declared_one():
    """Kubeflow Pipelines sends the type `{"instanceSchema": ""}`.

    The function that writes this type is `ToRuntimeArtifact` in backend/src/v2/metadata/client.go
    of kubeflow/pipelines.
    """
    for nothing in ({"instanceSchema": ""}, {"schemaTitle": ""}, {}, None):
        assert type_of(complete_input(nothing)) == {"instanceSchema": SCHEMA}


def test_a_type_that_vertex_ai_sends_is_left_alone():
    given = {"schemaTitle": "tfx.Examples"}
    assert type_of(complete_input(given)) == given


def test_only_declared_outputs_are_left():
    left = complete_input(None, ("model", "model_run", "executor-logs"), ("model", "model_run"))
    assert set(left["outputs"]["artifacts"]) == {"model", "model_run"}


def test_a_report_is_an_html_file_with_a_class_of_tfx():
    """Kubeflow Pipelines reads the URI of a `system.HTML` artifact as a file, not as a folder."""
    sent = {"type": {"schemaTitle": "system.HTML", "schemaVersion": "0.0.1"}, "uri": "gs://b/r/1/p"}
    executor_input = json_format.ParseDict(
        {"outputs": {"artifacts": {"report": {"artifacts": [sent]}}}},
        pipeline_spec_pb2.ExecutorInput(),
    )
    container.complete_executor_input(executor_input, SPEC, ["report"])
    (report,) = executor_input.outputs.artifacts["report"].artifacts
    assert report.uri == "gs://b/r/1/p/report.html"
    (parsed,) = kubeflow_v2_entrypoint_utils.parse_raw_artifact_dict(
        executor_input.outputs.artifacts, {}
    )["report"]
    assert isinstance(parsed, HtmlReport)


def test_flags_for_beam_are_not_abbreviations_of_the_entry_points_flags(monkeypatch):
    """The entry point passes Beam's flag `--exec=1` on unchanged, and does not read it as an
    abbreviation of `--executor_class_path=1`."""
    given = []
    monkeypatch.setattr(container.kubeflow_v2_run_executor, "main", given.append)
    sent = {"outputs": {"artifacts": {"executor-logs": {"artifacts": [{"uri": "logs"}]}}}}
    beam_flags = ["--runner=DirectRunner", "--exec=1"]
    flags = container._parse_flags(
        [
            "container.py",
            "--executor_class_path",
            "components.report.executor.Executor",
            "--json_serialized_invocation_args",
            json.dumps(sent | {"newer field": 1}),
            "--json_serialized_inputs_spec_args",
            "{}",
            *beam_flags,
            "--declared_outputs=",
        ]
    )
    container.main(flags)
    ((arguments, others),) = given
    assert others == beam_flags
    assert arguments.executor_class_path == "components.report.executor.Executor"
    assert json.loads(arguments.json_serialized_invocation_args) == {"outputs": {}}
