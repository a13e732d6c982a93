"""Tests of the nodes of the pipeline and their properties; tests/end_to_end runs the pipeline."""

import dataclasses
import json

import pytest
from tfx.orchestration.metadata import sqlite_metadata_connection_config

from components.image_example_gen.sources.registry import make_source
from components.model_evaluator.records import Blessing
from components.model_pusher.last_push import Serving
from pipeline.code import hash_nodes
from pipeline.found_images import find_images
from pipeline.inputs import Inputs
from pipeline.options.build import build_config
from pipeline.options.settings import Setting
from pipeline.pipeline import create_pipeline
from pipeline.properties import PROPERTY_NAMES, Properties, make_properties

INPUTS = Inputs(
    source={"kind": "digits"},
    source_fingerprint="source",
    classes=("a", "b"),
    schema="schema",
    backbone="/models/backbone",
    backbone_fingerprint="backbone",
    backbone_layout="",
    champions={},
    serving=Serving("state", None),
    found=find_images(make_source({"kind": "digits"})),
)


def configure(**settings):
    settings = {"model": "vit_b16_fe", "dataset": "digits", "name": "test"} | settings
    return build_config({key: Setting(value, key) for key, value in settings.items()})


CHAMPION = Blessing(
    "/root/blessed/1.json",
    "/root/blessed/models/a",
    "another training",
    ("a", "b"),
    {},
    "data",
    (3, 4),
)

# The nodes with the fingerprint of the training as a property. The fingerprint changes with each
# input and setting of Tuner and Trainer.
READERS = {"Evaluator", "Pusher", "Report"}


def nodes(tmp_path, inputs=INPUTS, **settings):
    pipeline = create_pipeline(configure(**settings), inputs)
    pipeline.metadata_connection_config = sqlite_metadata_connection_config(str(tmp_path / "db"))
    return {component.id: component for component in pipeline.components}


def test_the_nodes(tmp_path):
    expected = (
        "ImageExampleGen StatisticsGen PackagedSchema ExampleValidator DataCheck Backbone "
        "Transform Trainer Evaluator ServingCheck Pusher Report"
    )
    assert set(nodes(tmp_path)) == set(expected.split())


def test_without_a_curated_schema_it_is_inferred(tmp_path):
    inferred = nodes(tmp_path, dataset="tfds:mnist")
    assert "SchemaGen" in inferred
    assert "PackagedSchema" not in inferred


def test_a_search_for_hyperparameters_goes_before_the_trainer(tmp_path):
    built = nodes(tmp_path, tuner="5")
    found = built["Tuner"].outputs["best_hyperparameters"]
    assert built["Trainer"].inputs["hyperparameters"] is found
    assert json.loads(built["Tuner"].exec_properties["custom_config"])["trials"] == 5
    assert json.loads(built["Tuner"].exec_properties["eval_args"])["splits"] == ["validation"]


@pytest.mark.parametrize("tune", ["full", "head"])
def test_the_full_data_check_reads_features_and_gives_the_trainer_nothing(tmp_path, tune):
    built = nodes(tmp_path, tune=tune, **{"data.check": "full", "tuner": "2"})
    check, trainer = built["DataCheck"], built["Trainer"]
    assert check.inputs["backbone"] is trainer.inputs["base_model"]
    given = check.inputs.get("transformed_examples")
    assert given is built["Transform"].outputs.get("transformed_examples")
    assert (given is None) == (tune == "full")
    # Trainer and Tuner start after DataCheck, although neither reads an output of DataCheck.
    for node in (trainer, built["Tuner"]):
        assert check in node.upstream_nodes
        assert not {id(channel) for channel in node.inputs.values()} & {
            id(channel) for channel in check.outputs.values()
        }
    assert built["ExampleValidator"] in check.upstream_nodes


@pytest.mark.parametrize("tune", ["full", "head"])
def test_no_training_node_reads_the_test_split(tmp_path, tune):
    built = nodes(tmp_path, dataset="tfds:mnist", tune=tune)
    assert json.loads(built["SchemaGen"].exec_properties["exclude_splits"]) == ["test"]
    splits = json.loads(built["Transform"].exec_properties["splits_config"])
    assert splits["analyze"] == ["train"]
    assert "test" not in splits.get("transform", ())
    train = json.loads(built["Trainer"].exec_properties["train_args"])
    assert train["splits"] == ["train"]
    assert json.loads(built["Trainer"].exec_properties["eval_args"])["splits"] == ["validation"]
    assert json.loads(built["Evaluator"].exec_properties["example_splits"]) == ["test"]


def test_user_functions_are_given_by_import_path(tmp_path):
    built = nodes(tmp_path)
    assert built["Trainer"].exec_properties["run_fn"] == "trainer.train.run_fn"
    preprocessing = built["Transform"].exec_properties["preprocessing_fn"]
    assert preprocessing == "trainer.preprocessing.preprocessing_fn"
    for component in ("Trainer", "Transform"):
        assert not built[component].exec_properties.get("module_file")


def test_the_machines_of_a_training_do_not_change_its_properties(tmp_path):
    """A run on other machines must find the checkpoints and the cached results of Trainer, so the
    properties of Trainer do not contain the machines."""
    there = {"run.runner": "vertex", "pipeline_root": "gs://bucket/root", "cloud.image": "vit:1"}
    there |= {"cloud.project": "p", "cloud.region": "europe-west4"}
    job = {"machines.trainer.machine_type": "n1-standard-8", "machines.trainer.workers": "2"}
    as_step, as_job = nodes(tmp_path, **there), nodes(tmp_path, **there, **job)
    assert as_step["Trainer"].exec_properties == as_job["Trainer"].exec_properties
    assert as_step["Trainer"].type != as_job["Trainer"].type


@pytest.mark.parametrize(
    "flags",
    [
        ["--direct_num_workers=2"],
        ["--runner=FlinkRunner", "--flink_master=[local]"],
        ["--runner=SparkRunner", "--spark_master_url=local[2]"],
        ["--runner=FlinkRunner", "--flink_master=flink:8081", "--environment_type=LOOPBACK"],
    ],
)
def test_local_workers_read_the_backbone_from_the_model_cache(tmp_path, flags):
    """Local workers can read the model cache, so the pipeline is the same as with Beam's default
    runner, and TFX uses the cached training."""
    engine = {"run.runner": "beam", "run.beam_args": flags}
    assert nodes(tmp_path, **engine)["Backbone"].exec_properties["artifact_uri"] == INPUTS.backbone


@pytest.mark.parametrize(
    "flags",
    [
        ["--runner=DataflowRunner", "--project=p"],
        ["--runner=FlinkRunner", "--flink_master=flink:8081"],
        ["--runner=FlinkRunner", "--flink_master=flink:8081", "--environment_type=PROCESS"],
        ["--runner=PortableRunner", "--environment_type=EXTERNAL"],
    ],
)
def test_remote_workers_read_a_copy_of_the_backbone(tmp_path, flags):
    engine = {"run.runner": "beam", "run.beam_args": flags}
    assert nodes(tmp_path, **engine)["Backbone"].exec_properties == {
        "model": INPUTS.backbone,  # the path, and not the URL, because a URL may contain a token
        "weights": "pretrained",
        "precision": "float32",
        "trusted": 0,
        "fingerprint": INPUTS.backbone_fingerprint,
    }


def test_only_a_head_has_its_features_materialised(tmp_path):
    assert "transformed_examples" not in nodes(tmp_path)["Transform"].outputs
    assert "transformed_examples" in nodes(tmp_path, tune="head")["Transform"].outputs


@pytest.mark.parametrize(
    ("field", "changed"),
    [
        ("source_fingerprint", {"ImageExampleGen", "Trainer", *READERS}),
        ("schema", {"PackagedSchema", *READERS}),
        ("backbone_fingerprint", {"Backbone", "Trainer", *READERS}),
        ("backbone_layout", {"Trainer", *READERS}),
        ("champions", {"ExampleValidator", "Evaluator", "Report"}),
        ("serving", {"Pusher"}),
        ("classes", {"ImageExampleGen", "ExampleValidator", "DataCheck", "Trainer", *READERS}),
    ],
)
def test_each_fingerprint_is_a_property_of_the_nodes_that_read_it(tmp_path, field, changed):
    values = {
        "classes": ("x", "y"),
        "champions": {"another training": CHAMPION},
        "serving": Serving("another state", None),
    }
    before = properties(nodes(tmp_path))
    after = properties(
        nodes(tmp_path, dataclasses.replace(INPUTS, **{field: values.get(field, "other")}))
    )
    assert {name for name in before if before[name] != after[name]} == changed


def test_the_class_balance_is_compared_with_that_of_other_data_only(tmp_path):
    def counts(**changes):
        champion = dataclasses.replace(CHAMPION, **changes)
        inputs = dataclasses.replace(INPUTS, champions={champion.training: champion})
        return nodes(tmp_path, inputs)["ExampleValidator"].exec_properties["champion_counts"]

    data = nodes(tmp_path)["Evaluator"].exec_properties["data"]
    assert counts() == "[3, 4]"
    # An earlier version of the pipeline did not record the class counts of a champion.
    assert counts(data="", class_counts=()) == "[]"
    assert counts(data=data) == "null"


@pytest.mark.parametrize(
    ("field", "changed"),
    [
        ("example_gen", {"ImageExampleGen", "Trainer", *READERS}),
        ("validation", {"StatisticsGen", "ExampleValidator", "Report"}),
        ("example_check", {"ExampleValidator", "Report"}),
        ("data_check", {"DataCheck", "Report"}),
        ("schema", {"PackagedSchema", "Report"}),
        ("transform", {"Transform", "Trainer", *READERS}),
        ("tuner", {"Tuner", *READERS}),
        ("trainer", {"Trainer", *READERS}),
        ("evaluator", {"Evaluator", "Report"}),
        ("serving_check", {"ServingCheck", "Report"}),
        ("pusher", {"Pusher", "Report"}),
        ("report", {"Report"}),
    ],
)
def test_the_code_of_each_node_is_a_property_of_it(tmp_path, monkeypatch, field, changed):
    before = properties(nodes(tmp_path, tuner="2"))
    code = dataclasses.replace(hash_nodes(INPUTS.source, ""), **{field: "other"})
    monkeypatch.setattr("pipeline.properties.hash_nodes", lambda *arguments: code)
    after = properties(nodes(tmp_path, tuner="2"))
    assert {name for name in before if before[name] != after[name]} == changed


def test_an_inferred_schema_depends_on_the_library_that_infers_it(tmp_path):
    inferred = nodes(tmp_path, dataset="tfds:mnist")
    statistics, schema = (inferred[name].exec_properties for name in ("StatisticsGen", "SchemaGen"))
    assert len(statistics["library_fingerprint"]) == 64
    assert schema["library_fingerprint"] == statistics["library_fingerprint"]


@pytest.mark.parametrize(
    ("key", "value", "changed"),
    [
        ("train.learning_rate", "0.5", {"Tuner", "Trainer", *READERS}),
        ("augment.flip", "true", {"Tuner", "Trainer", *READERS}),
        ("tuner", "3", {"Tuner", *READERS}),
        ("ingest.max_side", "300", {"ImageExampleGen", "Trainer", *READERS}),
        ("ingest.max_pixels", "300", {"ImageExampleGen", "Trainer", *READERS}),
        ("ingest.max_value", "4095", {"ImageExampleGen", "Trainer", *READERS}),
        ("ingest.split_by", "near_duplicates", {"ImageExampleGen", "Trainer", *READERS}),
        ("ingest.max_quarantined", "0.5", {"ExampleValidator", "Report"}),
        ("data.max_drift", "0.5", {"ExampleValidator", "Report"}),
        ("data.max_leak", "0.5", {"DataCheck", "Report"}),
        ("data.check", "full", {"DataCheck", "Report"}),
        ("ingest.allow_anomalies", "true", {"ExampleValidator", "Report"}),
        ("backbone.input_range", "0,1", {"Transform", "Tuner", "Trainer", *READERS}),
        ("serve.precision", "0.9", {"Trainer", *READERS}),
        ("gate.min_accuracy", "0.5", {"Evaluator", "Report"}),
        ("report.heat_map_seconds", "3", {"Evaluator", "Report"}),
        ("gate.max_ece", "0.1", {"Evaluator", "Report"}),
        ("gate.confidence", "0.9", {"Evaluator", "Report"}),
        ("serving_check.images", "8", {"ServingCheck", "Report"}),
        ("serving_check.tolerance", "0.5", {"ServingCheck", "Report"}),
        ("serving_dir", "elsewhere", {"Pusher", "Report"}),
    ],
)
def test_each_option_is_a_property_of_the_nodes_that_read_it(tmp_path, key, value, changed):
    before = properties(nodes(tmp_path, tuner="2"))
    after = properties(nodes(tmp_path, **{"tuner": "2", key: value}))
    assert {name for name in before if before[name] != after[name]} == changed


def test_properties_can_be_read_by_name():
    """ResolveInputs has an output parameter for each property, with the property's name."""
    properties = make_properties(configure(), INPUTS)
    assert tuple(properties.by_name()) == PROPERTY_NAMES
    assert Properties.from_names(properties.by_name()) == properties
    assert properties.by_name()["backbone_fingerprint"] == INPUTS.backbone_fingerprint


def properties(built):
    return {
        name: (str(component.exec_properties), str(component.outputs))
        for name, component in built.items()
    }
