"""Tests runs of the whole pipeline on real images with a real pretrained backbone."""

import re
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from components.model_evaluator.heat_maps import read_heat_maps
from components.model_evaluator.predictions import read_predictions
from tests.signatures import answers_by_object_graph, assert_same, inputs_of

pytestmark = pytest.mark.slow

HEAD = 4 * (1280 + 1) * 5  # size in bytes of a classifier head for 1280 features and five classes


def arguments(shared, tune, *more, heat_map_seconds=0):
    backbone = str(shared / "backbones" / "mobilenet_v2_160_fe")
    given = ["--model", backbone, "--dataset", "tf_flowers", "--data-dir", str(shared / "tfds")]
    given += ["--set", f"report.heat_map_seconds={heat_map_seconds}"]
    return [*given, "--name", "flowers", "--tune", tune, *more]


def weights(saved_model: Path) -> set[bytes]:
    """Returns all arrays of a SavedModel's checkpoint, as bytes."""
    reader = tf.train.load_checkpoint(str(saved_model / "variables" / "variables"))
    arrays = (reader.get_tensor(name) for name in reader.get_variable_to_shape_map())
    return {array.tobytes() for array in arrays if isinstance(array, np.ndarray)}


def assert_served(server_process, model, images: list[bytes]) -> None:
    """Asserts that outputs are the same in a Session and with `tf.saved_model.load`."""
    inputs = inputs_of(images, 160, 160)
    expected = answers_by_object_graph(model, inputs)
    assert_same(server_process.ask(model, inputs), expected)


def kernels(backbone: Path) -> set[bytes]:
    """Returns the trainable matrices of a backbone, each as bytes.

    Biases are left out, because some of them have no gradient.
    """
    variables = tf.saved_model.load(str(backbone)).trainable_variables
    return {variable.numpy().tobytes() for variable in variables if variable.shape.rank > 1}


def size(directory: Path) -> int:
    return sum(file.stat().st_size for file in directory.rglob("*") if file.is_file())


def versions(root: Path) -> list[Path]:
    return sorted((root / "serving").glob("[0-9]*"))


@pytest.fixture(scope="module")
def backbone(shared):
    return shared / "backbones" / "mobilenet_v2_160_fe"


@pytest.fixture(scope="module")
def flowers(tmp_path_factory):
    return tmp_path_factory.mktemp("flowers")


@pytest.fixture(scope="module")
def flowers_head(pipeline, shared, flowers):
    return pipeline(flowers, *arguments(shared, "head", heat_map_seconds=15))


def test_a_head_on_flowers_ends_pushed(flowers_head, flowers):
    assert (flowers_head.status, flowers_head.err) == (0, "")
    assert flowers_head.accuracy >= 0.80
    assert read_heat_maps(str(flowers_head.artifacts["Evaluator.evaluation"])).method == "occlusion"
    assert [str(path) for path in versions(flowers)] == [flowers_head.value("pushed to")]


def test_tuning_a_head_leaves_the_backbone_alone_and_exports_one_copy(flowers_head, backbone):
    exported = flowers_head.artifacts["Trainer.model"] / "Format-Serving"
    assert weights(backbone) <= weights(exported)
    assert size(exported / "variables") <= 1.02 * size(backbone / "variables")
    assert size(exported) <= size(backbone) + HEAD + 10**6


def test_only_train_and_validation_are_transformed(flowers_head):
    features = flowers_head.artifacts["Transform.transformed_examples"]
    splits = {path.name for path in features.glob("Split-*")}
    assert splits == {"Split-train", "Split-validation"}


def test_the_served_model_classifies_flowers(flowers_head, shared, server_process):
    paths = sorted((shared / "images" / "tf_flowers").glob("*/*.jpg"))
    images = [path.read_bytes() for path in paths]
    model = flowers_head.value("pushed to")
    answers = server_process.ask(model, {"serving_default": {"image_bytes": images}})
    named = [label.decode() for label in answers["serving_default"]["label"]]
    right = [name == path.parent.name for name, path in zip(named, paths, strict=True)]
    assert np.mean(right) >= 0.8
    assert_served(server_process, model, images[::20])


def test_tensorflow_java_predicts_the_same_flowers(
    flowers_head, shared, server_process, tensorflow_java
):
    model = flowers_head.value("pushed to")
    paths = sorted((shared / "images" / "tf_flowers").glob("*/*.jpg"))
    inputs = {"serving_default": {"image_bytes": [path.read_bytes() for path in paths]}}
    expected = server_process.ask(model, inputs)["serving_default"]
    labels, probabilities = tensorflow_java.classify([model], paths)[model]
    assert labels == [label.decode() for label in expected["label"]]
    np.testing.assert_allclose(probabilities, expected["probability"], rtol=0, atol=1e-5)


def test_the_gate_names_the_missing_accuracy(flowers_head, pipeline, shared, flowers):
    before = versions(flowers)
    run = pipeline(flowers, *arguments(shared, "head", "--min-accuracy", "0.999"))
    assert run.status == 3
    assert run.ran == {"Evaluator", "ServingCheck", "Pusher", "Report"}
    expected = (
        rf"not blessed by the gate: accuracy {flowers_head.accuracy:.4f} on 52 images is, "
        r"with 95 % confidence, at least (0\.\d{4}), which is (0\.\d{4}) below 0\.9990 "
        r"\(even if all answers are right, at least 2703 images are needed\)"
    )
    lower, missing = map(float, re.fullmatch(expected, run.value("verdict")).groups())
    assert lower < flowers_head.accuracy
    assert lower + missing == pytest.approx(0.999, abs=2e-4)
    assert run.value("pushed to") == "nothing was pushed"
    assert versions(flowers) == before


def test_full_tuning_changes_the_backbone_and_a_worse_model_is_not_pushed(
    flowers_head, pipeline, shared, flowers, backbone
):
    before = versions(flowers)
    few_steps = ("--set", "train.steps=2", "--head", "gradient", "--min-class-recall", "1")
    run = pipeline(flowers, *arguments(shared, "full", *few_steps))
    assert "ImageExampleGen" not in run.ran
    assert run.status == 3
    assert "below the last blessed model's" in run.value("verdict")
    assert "the new model is better on " in run.value("champion")
    predictions = read_predictions(str(run.artifacts["Evaluator.evaluation"])).to_pandas()
    is_right = predictions["predicted"] == predictions["label"]
    assert is_right.mean() == pytest.approx(run.accuracy, abs=1e-4)
    of_champion = predictions["champion_predicted"] == predictions["label"]
    assert of_champion.mean() == pytest.approx(flowers_head.accuracy, abs=1e-4)
    assert "recall of " in run.value("verdict")
    assert versions(flowers) == before
    exported = run.artifacts["Trainer.model"] / "Format-Serving"
    assert not kernels(backbone) & weights(exported)
    assert size(exported / "variables") <= 1.02 * size(backbone / "variables")
    assert size(exported) <= size(backbone) + HEAD + 10**6
