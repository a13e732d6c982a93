"""Tests of a run on the handwritten digits with the default recipe, and of its exported model."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from common import progress_display
from components.model_evaluator.heat_maps import read_heat_maps
from components.model_evaluator.predictions import read_predictions
from pipeline.report import image_progress
from tests.signatures import inputs_of

NODES = {
    "Backbone",
    "ImageExampleGen",
    "StatisticsGen",
    "PackagedSchema",
    "ExampleValidator",
    "DataCheck",
    "Transform",
    "Trainer",
    "Evaluator",
    "ServingCheck",
    "Pusher",
    "Report",
}

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return tmp_path_factory.mktemp("digits")


@pytest.fixture(scope="module")
def run(pipeline, root):
    # The patches shorten the time between two lines of the console, so that the console prints a
    # line for every new count of images.
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(progress_display, "_BETWEEN_LINES", 0)
        patch.setattr(image_progress, "_INTERVAL", 0.05)
        return pipeline(root, "--model", "vit_mini_fe", "--dataset", "digits")


@pytest.fixture(scope="module")
def served(run):
    """Returns the directory of the pushed model."""
    return Path(run.value("pushed to"))


def test_the_model_is_pushed_and_accurate(run, root):
    assert (run.status, run.err) == (0, "")
    assert run.ran == NODES
    assert run.accuracy >= 0.95
    assert run.value("verdict") == "blessed"
    assert [str(path) for path in (root / "serving").glob("[0-9]*")] == [run.value("pushed to")]


def test_the_last_line_names_the_report(run, served):
    assert run.lines[-1].startswith("report: ")
    page = Path(run.value("report"))
    text = page.read_text()
    assert len(text) < 5_000_000
    assert f"version {served.name}: {served}" in text
    assert f"{100 * run.accuracy:.1f} %" in text
    assert "Most time went into Trainer" in text
    assert run.value("slowest nodes").startswith("Trainer ")
    nodes = re.findall(r'<tr><th scope="row">(\w+)</th><td class="nowrap">ran</td>', text)
    assert set(nodes) == NODES - {"Backbone", "PackagedSchema", "Report"} | {"Schema"}
    assert str(run.artifacts["ServingCheck.blessing"]) in text
    assert "from the cache" not in text
    wrong = 207 - round(run.accuracy * 207)
    assert text.count("<li data-class=") == wrong == text.count("data:image/jpeg;base64,")
    maps = read_heat_maps(str(run.artifacts["Evaluator.evaluation"]))
    assert maps.method == "attention"
    assert 0 < len(maps.maps) <= maps.wanted == min(wrong, 24)
    assert text.count("data:image/png;base64,") == len(maps.maps)
    assert "python pipeline_runner.py --model vit_mini_fe --dataset digits --pipeline-root" in text
    card = page.with_name("README.md").read_text()
    assert (served.parent / "cards" / served.name / "README.md").read_text() == card


def test_the_model_can_be_tried_from_the_command_line(
    run, served, server_process, tmp_path, capsys
):
    from trainer.predict import main

    files = [str(file) for file in run.artifacts["ImageExampleGen.examples"].glob("Split-test/*")]
    record = next(iter(tf.data.TFRecordDataset(files, "GZIP"))).numpy()
    image = tf.train.Example.FromString(record).features.feature["image"].bytes_list.value[0]
    path = tmp_path / "digit.jpg"
    path.write_bytes(image)
    inputs = {"serving_default": {"image_bytes": [image]}}
    expected = server_process.ask(served, inputs)["serving_default"]
    assert main(["--model", str(served), "--top", "1", str(path)]) == 0
    out, err = capsys.readouterr()
    name, percent, _, label = out.split()
    assert (name, err) == (str(path), "")
    assert label == expected["label"][0].decode()
    assert float(percent) == pytest.approx(100 * float(expected["probability"][0]), abs=0.01)


def test_servingcheck_blessed_the_model(run):
    file = run.artifacts["ServingCheck.blessing"] / "serving_check.json"
    found = json.loads(file.read_text())
    assert (found["blessed"], found["reasons"]) == (True, [])
    assert set(found["latency_ms"]) == {"1", "8", "32"}
    assert run.value("serving").startswith("1 image in ")
    sent = {name for request in found["requests"] for name in request["images"]}
    predictions = read_predictions(str(run.artifacts["Evaluator.evaluation"]))
    assert len(sent & set(predictions["file_name"].to_pylist())) == 64


def test_the_data_is_described_before_the_first_node(run):
    (images,) = [line for line in run.lines if line.startswith("  images ")]
    assert images.endswith("kB: 1,797 .png")
    (classes,) = [line for line in run.lines if line.startswith("  classes ")]
    assert classes.split(maxsplit=1)[1] == "10: fewest 8 (174), most 3 (183)"
    assert run.lines.index(classes) < run.lines.index("ImageExampleGen: started")


def test_nodes_show_how_many_images_they_have_read(run):
    expected = dict.fromkeys(("ImageExampleGen", "StatisticsGen", "DataCheck"), 1797)
    for node, total in (expected | {"Evaluator": 207}).items():
        done = run.out.partition(f"{node}: started\n")[2].partition(f"{node}: done")[0]
        found = re.findall(rf"^  ([\d,]+) of {total:,} images", done, re.MULTILINE)
        counts = [int(count.replace(",", "")) for count in found]
        assert counts
        assert counts == sorted(counts)
        assert counts[-1] <= total


def test_the_summary_has_all_images(run):
    counts = json.loads((run.artifacts["ImageExampleGen.examples"] / "counts.json").read_text())
    assert counts["read"] == 1797
    splits = ", ".join(f"{counts[split]} {split}" for split in ("train", "validation", "test"))
    assert run.value("images") == f"1797 read: {splits}, 0 quarantined"


def test_the_schema_and_the_data_agree(run):
    files = list(run.artifacts["ExampleValidator.anomalies"].glob("Split-*/*"))
    assert len(files) == 3
    assert "anomaly" not in run.out


def test_full_tuning_makes_no_copy_of_the_images(run):
    assert "Transform.transformed_examples" not in run.artifacts


def test_the_screen_shows_progress_and_the_log_has_the_rest(run, root):
    assert "\x1b" not in run.out
    for node in NODES:
        assert f"{node}: started" in run.lines
    assert 0 < sum(line.startswith("  step ") for line in run.lines) <= 100
    (log,) = (root / "logs").iterdir()
    text = log.read_text()
    assert "Component Trainer is running." in text
    assert "epoch 1, step" in text
    for noise in ("absl", "apache_beam", "tensorflow:", "WARNING"):
        assert noise not in run.out


@pytest.fixture(scope="module")
def examples(run):
    """Returns the serialized examples of the test split."""
    files = [str(file) for file in run.artifacts["ImageExampleGen.examples"].glob("Split-test/*")]
    return [record.numpy() for record in tf.data.TFRecordDataset(files, "GZIP")]


@pytest.fixture(scope="module")
def answers(served, server_process, examples):
    """Returns the outputs of the pushed model, in a Session as in servers, for the test split."""
    spec = {"image": tf.io.FixedLenFeature([], tf.string)}
    images = list(tf.io.parse_example(examples, spec)["image"].numpy())
    return server_process.ask(
        served, inputs_of(images, 32, 32) | {"from_examples": {"examples": examples}}
    )


def test_the_signatures(answers, served, server_process, examples):
    assert server_process.input_shapes(served) == {
        "from_examples": {"examples": [None]},
        "serving_default": {"image_bytes": [None]},
        "from_pixels": {"images": [None, 32, 32, 3]},
    }
    count = len(examples)
    for outputs in answers.values():
        assert {key: (value.dtype.name, value.shape) for key, value in outputs.items()} == {
            "label": ("object", (count,)),
            "label_id": ("int64", (count,)),
            "probability": ("float32", (count,)),
            "probabilities": ("float32", (count, 10)),
            "valid": ("bool", (count,)),
            "accepted": ("bool", (count,)),
        }
        assert outputs["valid"].all()
        np.testing.assert_allclose(outputs["probabilities"].sum(-1), 1, atol=1e-5)


def test_class_names_are_part_of_the_model(answers):
    for outputs in answers.values():
        labels = [label.decode() for label in outputs["label"]]
        assert labels == [str(index) for index in outputs["label_id"]]


def test_all_three_signatures_return_the_same(answers):
    one, *others = (outputs["probabilities"] for outputs in answers.values())
    for other in others:
        np.testing.assert_allclose(other, one, rtol=0, atol=1e-5)


def test_the_gate_measured_what_the_served_model_does(answers, run, examples):
    spec = {"label": ([], tf.int64), "file_name": ([], tf.string)}
    spec = {name: tf.io.FixedLenFeature(*feature) for name, feature in spec.items()}
    parsed = tf.io.parse_example(examples, spec)
    labels, names = parsed["label"].numpy(), parsed["file_name"].numpy()
    accuracy = np.mean(answers["from_examples"]["label_id"] == labels)
    assert accuracy == pytest.approx(run.accuracy, abs=1e-4)
    predictions = read_predictions(str(run.artifacts["Evaluator.evaluation"]))
    outputs = answers["from_examples"]
    by_name = dict(
        zip(names, zip(outputs["label"], outputs["probability"], strict=True), strict=True)
    )
    for row in predictions.select(["file_name", "predicted", "probability"]).to_pylist():
        label, probability = by_name[row["file_name"].encode()]
        assert (row["predicted"], row["probability"]) == (
            label.decode(),
            pytest.approx(probability, abs=1e-4),
        )
    top5 = np.mean(np.asarray(predictions["rank"]) <= 5)
    assert float(run.value("top-5 accuracy")) == pytest.approx(top5, abs=1e-4)
