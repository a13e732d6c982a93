"""Tests of the mapping between URIs of artifacts and paths of the launcher's local copies."""

import pytest
from google.protobuf import json_format
from kfp.pipeline_spec import pipeline_spec_pb2
from tfx.orchestration.kubeflow.v2.container.kubeflow_v2_entrypoint_utils import (
    parse_raw_artifact_dict,
)

from components.store_uri import STORE_URI, read_store_uri
from pipeline.runners.launcher_paths import LauncherPaths

BUCKET = "minio://mlpipeline"
MODEL = f"{BUCKET}/flowers/run/Trainer/1/model"


def artifacts(uri, metadata=None):
    return {"artifacts": [{"uri": uri} | ({"metadata": metadata} if metadata else {})]}


def parse(message, content):
    return json_format.ParseDict(content, message())


def make_input(uri=MODEL, metadata=None, output=f"{BUCKET}/flowers/run/Evaluator/2/blessing"):
    content = {
        "inputs": {"artifacts": {"model": artifacts(uri, metadata)}},
        "outputs": {"artifacts": {"blessing": artifacts(output)}},
    }
    return parse(pipeline_spec_pb2.ExecutorInput, content)


@pytest.mark.parametrize(
    ("uri", "path"),
    [
        ("minio://mlpipeline/v2/a", "/minio/mlpipeline/v2/a"),
        ("s3://my-bucket/v2/a", "/s3/my-bucket/v2/a"),
        ("gs://bucket/v2/a", "gs://bucket/v2/a"),
        ("/data/a", "/data/a"),
    ],
)
def test_a_step_sees_the_launchers_paths(uri, path):
    sent = make_input(uri)
    paths = LauncherPaths(sent)
    paths.map_inputs(sent)
    assert sent.inputs.artifacts["model"].artifacts[0].uri == path
    blessing = sent.outputs.artifacts["blessing"].artifacts[0].uri
    assert blessing == "/minio/mlpipeline/flowers/run/Evaluator/2/blessing"


def test_uris_of_a_store_that_tensorflow_reads_are_kept():
    sent = make_input("gs://bucket/a", {"of": "gs://bucket/b"}, output="gs://bucket/c")
    before = pipeline_spec_pb2.ExecutorInput.FromString(sent.SerializeToString())
    paths = LauncherPaths(sent)
    paths.map_inputs(sent)
    assert sent == before
    assert not paths.is_needed


PROPERTIES = {
    "current_model": MODEL,
    "list": [MODEL, 1.0],
    "nested": {"struct": {"deep": [{"uri": MODEL}]}},
    "json": f'["{MODEL}", "x"]',
    "message": f"compared {MODEL} with ({MODEL}), and more",
    "number": 3.0,
    "flag": True,
}


def test_every_property_is_mapped_and_mapped_back():
    sent = make_input(metadata=PROPERTIES)
    paths = LauncherPaths(sent)
    paths.map_inputs(sent)
    (seen,) = sent.inputs.artifacts["model"].artifacts
    assert seen.metadata[STORE_URI] == MODEL
    del seen.metadata[STORE_URI]
    assert "minio://" not in json_format.MessageToJson(seen)
    deep = seen.metadata["nested"]["struct"]["deep"][0]
    assert deep["uri"] == "/minio/mlpipeline/flowers/run/Trainer/1/model"
    written = pipeline_spec_pb2.ExecutorOutput()
    written.artifacts["blessing"].artifacts.add().CopyFrom(seen)
    paths.map_outputs(written)
    (stored,) = written.artifacts["blessing"].artifacts
    assert stored.uri == MODEL
    assert json_format.MessageToDict(stored.metadata) == PROPERTIES


def test_a_step_knows_the_uri_of_its_inputs():
    sent = make_input()
    sent.inputs.artifacts["model"].artifacts[0].type.schema_title = "tfx.Model"
    LauncherPaths(sent).map_inputs(sent)
    # TFX's entry point in the container parses the inputs with `parse_raw_artifact_dict`.
    parsed = parse_raw_artifact_dict(sent.inputs.artifacts, {})
    (model,) = parsed["model"]
    assert model.uri == "/minio/mlpipeline/flowers/run/Trainer/1/model"
    assert read_store_uri(model) == MODEL


@pytest.mark.parametrize(
    "text",
    [
        "/volumes/minio/mlpipeline/a",  # lies in a mounted volume
        "/minio/mlpipeline-old/a",  # belongs to another bucket
        "/minio/mlpipeline2",
        "minio/mlpipeline/a",
        "gs://bucket/minio/mlpipeline/a",
    ],
)
def test_other_paths_are_kept(text):
    assert LauncherPaths(make_input()).to_uris(text) == text


def test_the_uri_of_another_bucket_is_kept():
    assert LauncherPaths(make_input()).to_paths("s3://other/a") == "s3://other/a"


def test_the_launchers_directories_may_be_elsewhere():
    paths = LauncherPaths(make_input(), "/disk")
    assert paths.to_paths(MODEL) == "/disk/minio/mlpipeline/flowers/run/Trainer/1/model"
    assert paths.to_uris(paths.to_paths(MODEL)) == MODEL
