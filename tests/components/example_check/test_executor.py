"""Tests of ExampleCheck's executor, on statistics that TFDV computes."""

import json
from pathlib import Path

import pandas as pd
import pytest
import tfx.components  # noqa: F401 (it patches tfx_bsl, for the pinned TFDV)

import tensorflow_data_validation as tfdv  # isort: skip
from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2
from tfx.types import artifact_utils, standard_artifacts

from common.errors import RefusedError
from common.notice import logger
from components.example_check.executor import Executor
from components.image_example_gen.counts import DARK, DEEP, format_counts
from components.report.read_artifacts import list_anomalies

CLASSES = ["daisy", "roses"]
SCHEMA = (
    """feature { name: "label" type: INT int_domain { max: 1 } presence { min_fraction: 1 } }"""
)
SPLITS = ["train", "test"]


def write_counts(folder: Path, *, quarantined=0, roses_quarantined=0, deep=0, dark=0) -> None:
    tallies = {
        ("read", 0): 90,
        ("read", 1): 10,
        ("train", 0): 90 - quarantined,
        ("train", 1): 10 - roses_quarantined,
        ("quarantine", 0): quarantined,
        ("quarantine", 1): roses_quarantined,
        (DEEP, 0): deep,
        (DARK, 0): dark,
    }
    reasons = {"damaged": quarantined, "heic": roses_quarantined}
    (folder / "counts.json").write_text(format_counts(tallies, reasons))


@pytest.fixture
def check(tmp_path, caplog):
    """Returns a function that runs the executor and returns the logged warnings."""

    def check(
        labels=(0, 1),
        *,
        schema_text=SCHEMA,
        max_quarantined=0.05,
        allow_anomalies=0,
        champion_counts=None,
        max_drift=0.05,
        **counts,
    ):
        examples, statistics = standard_artifacts.Examples(), standard_artifacts.ExampleStatistics()
        schema, anomalies = standard_artifacts.Schema(), standard_artifacts.ExampleAnomalies()
        for artifact, name in (
            (examples, "examples"),
            (statistics, "statistics"),
            (schema, "schema"),
            (anomalies, "anomalies"),
        ):
            artifact.uri = str(tmp_path / name)
            Path(artifact.uri).mkdir(exist_ok=True)
        write_counts(tmp_path / "examples", **counts)
        statistics.split_names = artifact_utils.encode_split_names(SPLITS)
        for split, found in zip(SPLITS, ((0, 1), labels), strict=True):
            folder = tmp_path / "statistics" / f"Split-{split}"
            folder.mkdir(exist_ok=True)
            computed = tfdv.generate_statistics_from_dataframe(pd.DataFrame({"label": found}))
            (folder / "FeatureStats.pb").write_bytes(computed.SerializeToString())
        parsed = text_format.Parse(schema_text, schema_pb2.Schema())
        (tmp_path / "schema" / "schema.pbtxt").write_text(text_format.MessageToString(parsed))
        properties = {
            "classes": json.dumps(CLASSES),
            "max_quarantined": max_quarantined,
            "champion_counts": json.dumps(champion_counts),
            "max_drift": max_drift,
        }
        caplog.clear()
        with caplog.at_level("WARNING", logger=logger.name):
            Executor().Do(
                {"examples": [examples], "statistics": [statistics], "schema": [schema]},
                {"anomalies": [anomalies]},
                properties | {"allow_anomalies": allow_anomalies},
            )
        return [record.getMessage() for record in caplog.records if record.name == logger.name]

    return check


def test_valid_data_passes(check, tmp_path):
    assert check(quarantined=5) == []
    assert (tmp_path / "anomalies" / "Split-test" / "SchemaDiff.pb").is_file()


def test_anomalies_stop_the_run(check, caplog):
    with pytest.raises(RefusedError, match=r"^anomaly in the data: .*allow-anomalies$"):
        check(labels=(0, 2))
    title, row = [record.getMessage() for record in caplog.records if record.name == logger.name]
    assert title.split() == ["ANOMALY", "WHERE", "EXPECTED", "FOUND"]
    assert "test, feature label" in row
    assert "int_domain { max: 1 }" in row
    assert "2" in row.partition("int_domain { max: 1 }")[2]


def test_anomalies_that_are_allowed_are_shown(check):
    assert len(check(labels=(0, 2), allow_anomalies=1)) == 2


def test_a_report_lists_anomalies_of_features_and_of_all_examples(check, tmp_path):
    schema_text = f"{SCHEMA} dataset_constraints {{ min_examples_count: 3 }}"
    rows = check(labels=(0, 0, 2), schema_text=schema_text, allow_anomalies=1)
    assert any("train, all examples" in row for row in rows)
    anomalies = standard_artifacts.ExampleAnomalies()
    anomalies.uri = str(tmp_path / "anomalies")
    anomalies.split_names = artifact_utils.encode_split_names(SPLITS)
    whole, feature = list_anomalies(anomalies)
    assert whole.startswith("train: all examples: ")
    assert feature.startswith("test: label: ")


def test_too_many_quarantined_images_stop_the_run(check):
    with pytest.raises(
        RefusedError,
        match=r"^7 of 100 images are quarantined \(damaged: 4, heic: 3\); expected at most 5.0%: "
        r"see .*quarantine.jsonl",
    ):
        check(quarantined=4, roses_quarantined=3)
    assert check(quarantined=4, roses_quarantined=3, max_quarantined=0.07) == []


def test_a_class_that_lost_most_of_its_images_is_named(check):
    with pytest.raises(RefusedError, match=r"most images of the class roses \(6 of 10\); expected"):
        check(roses_quarantined=6)
    (line,) = check(roses_quarantined=6, max_quarantined=0.1)
    assert line.startswith("In quarantine: most images of the class roses (6 of 10); see ")


def test_images_of_12_bits_in_16_stop_the_run(check, caplog):
    with pytest.raises(RefusedError):
        check(deep=10, dark=6)
    assert "6 of 10 have no value above 4095: give the value of white" in caplog.text
    assert check(deep=10, dark=5) == []


def test_a_class_balance_that_drifted_stops_the_run(check, caplog):
    """The two classes have 90 and 10 images; the champion was trained on 60 images of each."""
    with pytest.raises(RefusedError, match=r"^anomaly in the data: class balance \(train"):
        check(champion_counts=[60, 60])
    _, row = [record.getMessage() for record in caplog.records if record.name == logger.name]
    columns = [text for text in row.split("  ") if text]
    assert columns == [
        "class balance",
        "train, feature label",
        "the champion's, with a divergence of at most 0.05 (data.max_drift)",
        "divergence 0.15: daisy 90 % of the images instead of 50 %, "
        "roses 10 % of the images instead of 50 %",
    ]
    assert check(champion_counts=[60, 60], max_drift=0.2) == []
    assert check(champion_counts=[180, 19]) == []


def test_a_drift_that_is_allowed_is_shown_in_the_report(check, tmp_path):
    assert len(check(champion_counts=[60, 60], allow_anomalies=1)) == 2
    anomalies = standard_artifacts.ExampleAnomalies()
    anomalies.uri = str(tmp_path / "anomalies")
    anomalies.split_names = artifact_utils.encode_split_names(SPLITS)
    (line,) = list_anomalies(anomalies)
    assert line.startswith("train: class balance: divergence 0.15: daisy 90 % of the images")


@pytest.mark.parametrize("before", [[100, 0], [0, 100]])
def test_a_class_without_images_is_compared(check, before):
    with pytest.raises(RefusedError, match=r"^anomaly in the data: class balance \(train"):
        check(champion_counts=before)


def test_a_champion_of_an_earlier_version_has_no_counts(check):
    (line,) = check(champion_counts=[])
    assert line.startswith("The class balance is not compared with that of the champion's data:")
