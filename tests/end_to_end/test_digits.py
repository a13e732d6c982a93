"""The main job on the embedded default, and the model that comes out of it."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

NODES = {
    "Backbone",
    "ImageExampleGen",
    "StatisticsGen",
    "PackagedSchema",
    "ExampleValidator",
    "Transform",
    "Trainer",
    "Evaluator",
    "Pusher",
}

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("uncovered")]


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return tmp_path_factory.mktemp("digits")


@pytest.fixture(scope="module")
def run(pipeline, root):
    return pipeline(root, "--model", "vit_mini_fe", "--dataset", "digits")


@pytest.fixture(scope="module")
def served(run):
    """The pushed model."""
    return Path(run.value("pushed to"))


def test_it_ends_pushed_and_accurate(run, root):
    assert (run.status, run.err) == (0, "")
    assert run.ran == NODES
    assert run.accuracy >= 0.95
    assert run.value("verdict") == "blessed"
    assert [str(path) for path in (root / "serving").iterdir()] == [run.value("pushed to")]


def test_the_model_can_be_tried_from_the_command_line(run, served, tmp_path, capsys):
    import tensorflow as tf

    from trainer.classify import main

    files = [str(file) for file in run.artifacts["ImageExampleGen.examples"].glob("Split-test/*")]
    record = next(iter(tf.data.TFRecordDataset(files, "GZIP"))).numpy()
    image = tf.train.Example.FromString(record).features.feature["image"].bytes_list.value[0]
    picture = tmp_path / "digit.jpg"
    picture.write_bytes(image)
    signature = tf.saved_model.load(str(served)).signatures["serving_default"]
    expected = signature(image_bytes=tf.constant([image]))
    assert main(["--model", str(served), "--top", "1", str(picture)]) == 0
    out, err = capsys.readouterr()
    name, percent, _, index, label = out.split()
    assert (name, err) == (str(picture), "")
    assert label == expected["label"][0].numpy().decode()
    assert int(index) == int(expected["label_id"][0])
    assert float(percent) == pytest.approx(100 * float(expected["probability"][0]), abs=0.01)


def test_every_image_is_accounted_for(run):
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


def test_the_screen_has_the_story_and_the_log_the_rest(run, root):
    assert "\x1b" not in run.out
    for node in NODES:
        assert f"{node}: started" in run.lines
    assert sum(line.startswith("  step ") for line in run.lines) == 10
    (log,) = (root / "logs").iterdir()
    text = log.read_text()
    assert "Component Trainer is running." in text
    assert "epoch 1, step" in text
    for noise in ("absl", "apache_beam", "tensorflow:", "WARNING"):
        assert noise not in run.out


ASK = """
import json, pathlib, sys
import numpy as np, tensorflow as tf
directory, examples = sys.argv[1:]
model = tf.saved_model.load(directory)
assert not {"trainer", "pipeline", "components", "tfx", "keras"} & set(sys.modules), "not plain"
files = [str(file) for file in pathlib.Path(examples).iterdir()]
records = [record.numpy() for record in tf.data.TFRecordDataset(files, "GZIP")]
spec = {"image": tf.io.FixedLenFeature([], tf.string), "label": tf.io.FixedLenFeature([], tf.int64)}
parsed = tf.io.parse_example(records, spec)
decoded = [tf.image.resize(tf.io.decode_jpeg(i, 3), [32, 32]) / 127.5 - 1 for i in parsed["image"]]
answers = {
    "from_examples": model.signatures["from_examples"](examples=tf.constant(records)),
    "serving_default": model.signatures["serving_default"](image_bytes=parsed["image"]),
    "from_pixels": model.signatures["from_pixels"](images=tf.stack(decoded)),
}
print(json.dumps({
    "dtypes": {key: value.dtype.name for key, value in answers["serving_default"].items()},
    "shapes": {key: value.shape.as_list() for key, value in answers["serving_default"].items()},
    "inputs": {
        name: list(signature.structured_input_signature[1])
        for name, signature in model.signatures.items()
    },
    "difference": max(
        float(np.abs(a["probabilities"] - answers["from_examples"]["probabilities"]).max())
        for a in answers.values()
    ),
    "sums": float(np.abs(answers["from_examples"]["probabilities"].numpy().sum(-1) - 1).max()),
    "accuracy": float(np.mean(answers["from_examples"]["label_id"] == parsed["label"])),
    "labels": [label.decode() for label in answers["from_pixels"]["label"].numpy()],
    "label_ids": answers["from_pixels"]["label_id"].numpy().tolist(),
    "images": len(records),
}))
"""


@pytest.fixture(scope="module")
def answers(run, served, tmp_path_factory):
    """What the pushed model answers to the test split in a process with TensorFlow alone."""
    examples = run.artifacts["ImageExampleGen.examples"] / "Split-test"
    asked = subprocess.run(
        [sys.executable, "-I", "-c", ASK, str(served), str(examples)],
        cwd=tmp_path_factory.mktemp("empty"),
        capture_output=True,
        text=True,
        check=False,
    )
    assert asked.returncode == 0, asked.stderr
    return json.loads(asked.stdout)


def test_the_signatures(answers):
    count = answers["images"]
    assert answers["inputs"] == {
        "from_examples": ["examples"],
        "serving_default": ["image_bytes"],
        "from_pixels": ["images"],
    }
    assert answers["dtypes"] == {
        "label": "string",
        "label_id": "int64",
        "probability": "float32",
        "probabilities": "float32",
    }
    assert answers["shapes"] == {
        "label": [count],
        "label_id": [count],
        "probability": [count],
        "probabilities": [count, 10],
    }
    assert answers["sums"] < 1e-5


def test_class_names_travel_inside_the_model(answers):
    assert answers["labels"] == [str(index) for index in answers["label_ids"]]


def test_all_three_signatures_say_the_same(answers):
    assert answers["difference"] < 1e-5


def test_the_gate_measured_what_the_served_model_does(answers, run):
    assert answers["accuracy"] == pytest.approx(run.accuracy, abs=1e-4)
