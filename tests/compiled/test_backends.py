"""Tests that a container gets the same inputs from the stand-in as from Kubeflow Pipelines.

`RECORDED` is an ExecutorInput from a run of the digits pipeline of docs/kubeflow.md: the driver and
the launcher of release 2.17.0 passed it to the container of StatisticsGen. `RECORDED` contains
placeholders instead of paths and ids, such as ROOT for the pipeline root in a bucket, and omits the
parameters and descriptions of the original ExecutorInput.
"""

import re

import pytest
from google.protobuf import json_format
from kfp.pipeline_spec import pipeline_spec_pb2 as pb

from tests.compiled.backends import JobError, KubeflowPipelines

EXAMPLES = "title: tfx.Examples\ntype: object\n"
STATISTICS = "title: tfx.ExampleStatistics\ntype: object\n"
METADATA = {
    "file_format": "tfrecords_gzip",
    "payload_format": "FORMAT_TF_EXAMPLE",
    "split_names": '["train", "validation", "test"]',
    "tfx_version": "1.21.0",
}
SESSION = {"store_session_info": '{"Provider":"gs","Params":{"fromEnv":"true"}}'}

RECORDED = {
    "inputs": {
        "artifacts": {
            "examples": {
                "artifacts": [
                    {
                        "name": "1",
                        "type": {"instanceSchema": ""},
                        "uri": "ROOT/digits/RUN/ImageExampleGen/SALT/examples",
                        "metadata": {"display_name": "examples", **SESSION, **METADATA},
                    }
                ]
            }
        }
    },
    "outputs": {
        "artifacts": {
            "executor-logs": {
                "artifacts": [
                    {
                        "name": "executor-logs",
                        "type": {"schemaTitle": "system.Artifact"},
                        "uri": "ROOT/digits/RUN/StatisticsGen/SALT/executor-logs-0",
                    }
                ]
            },
            "statistics": {
                "artifacts": [
                    {
                        "name": "statistics",
                        "type": {"instanceSchema": STATISTICS},
                        "uri": "ROOT/digits/RUN/StatisticsGen/SALT/statistics",
                    }
                ]
            },
        },
        "outputFile": "DISK/gcsROOT/digits/RUN/StatisticsGen/SALT/output_metadata.json",
    },
}


def declared(**schemas):
    content = {
        "artifacts": {k: {"artifactType": {"instanceSchema": s}} for k, s in schemas.items()}
    }
    return json_format.ParseDict(content, pb.ComponentOutputsSpec())


def make_executor_input(backend, tmp_path):
    """Returns the ExecutorInput of StatisticsGen, whose input artifact has the metadata `METADATA`.

    The ExecutorInput contains placeholders, such as ROOT for the pipeline root, instead of the
    paths and random ids of the run, so that the test can compare it with `RECORDED`.
    """
    root, disk = tmp_path / "root", tmp_path / "disk"
    run_root = backend.run_root(str(root), "digits", "RUN")
    before = backend.outputs(declared(examples=EXAMPLES), run_root, "ImageExampleGen", disk)
    (provisioned,) = before.artifacts["examples"].artifacts
    written = json_format.ParseDict({"metadata": METADATA}, pb.RuntimeArtifact())
    recorded = backend.record_output("examples", provisioned, written)
    outputs = backend.outputs(declared(statistics=STATISTICS), run_root, "StatisticsGen", disk)
    backend.prepare(pb.ExecutorInput.Inputs(), outputs, disk)
    assert (root / "digits" / "RUN" / "StatisticsGen").is_dir()
    sent = pb.ExecutorInput(outputs=outputs)
    sent.inputs.artifacts["examples"].artifacts.add().CopyFrom(backend.send_artifact(recorded))
    text = json_format.MessageToJson(sent).replace(str(root), "ROOT").replace(str(disk), "DISK")
    text = re.sub(r"\w{8}-\w{4}-\w{4}-\w{4}-\w{12}", "SALT", text)
    return json_format.MessageToDict(json_format.Parse(text, pb.ExecutorInput()))


def test_the_backend_sends_the_same_as_the_driver_of_2_17_0(tmp_path):
    assert make_executor_input(KubeflowPipelines("2.17.0"), tmp_path) == RECORDED


def test_the_driver_of_2_14_3_names_no_output_and_has_another_output_file(tmp_path):
    """Source: Kubeflow Pipelines 2.14.3, backend/src/v2/driver/driver.go, lines 476 to 527."""
    sent = make_executor_input(KubeflowPipelines("2.14.3"), tmp_path)
    assert sent["inputs"] == RECORDED["inputs"]
    assert sent["outputs"]["outputFile"] == "DISK/tmp/kfp_outputs/output_metadata.json"
    (logs,) = sent["outputs"]["artifacts"]["executor-logs"]["artifacts"]
    assert logs == {
        "type": {"schemaTitle": "system.Artifact"},
        "uri": "ROOT/digits/RUN/StatisticsGen/SALT/executor-logs",
    }


def record(tmp_path, **written):
    backend = KubeflowPipelines()
    run_root = backend.run_root(str(tmp_path), "digits", "RUN")
    outputs = backend.outputs(declared(model="title: tfx.Model\n"), run_root, "Trainer", tmp_path)
    (provisioned,) = outputs.artifacts["model"].artifacts
    artifact = json_format.ParseDict(written, pb.RuntimeArtifact())
    return backend.record_output("model", provisioned, artifact)


def test_ml_metadata_has_neither_booleans_nor_bare_lists(tmp_path):
    """Like ML Metadata, `KubeflowPipelines` stores a boolean as a number, and a list in a struct.

    Source: metadata/converter.go, StructValueToMLMDValue.
    """
    recorded = record(tmp_path, metadata={"flag": True, "names": ["a"], "nested": {"a": 1.5}})
    metadata = json_format.MessageToDict(recorded.metadata)
    assert metadata["flag"] == 1
    assert metadata["names"] == {"list": ["a"]}
    assert metadata["nested"] == {"struct": {"a": 1.5}}


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ({"metadata": {"nothing": None}}, "unsupported value type of nothing"),
        ({"uri": "/elsewhere/model"}, "was put at /elsewhere/model, not below"),
    ],
)
def test_an_artifact_that_the_launcher_cannot_record(tmp_path, written, message):
    with pytest.raises(JobError, match=message):
        record(tmp_path, **written)
