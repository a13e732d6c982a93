"""Tests that exported models have the same outputs in a Session as with `tf.saved_model.load`.

Servers such as TensorFlow Serving run models in a Session.
"""

import dataclasses
import functools
import json
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

from backbones.augreg.convert import convert
from backbones.augreg.initialization import random_arrays
from backbones.contract import read_shapes
from backbones.program import check_operations
from tests.conftest import TINY, encode, gradient
from tests.signatures import answers_by_object_graph, assert_same, example_of, inputs_of
from tests.trainer.decoding import image_files
from tests.trainer.exporting_process import CLASSES, HYBRID, KINDS, graph_directory
from trainer.input.transform_graph import TransformGraph
from trainer.preprocessing import CHUNK, FEATURES, PIXELS

pytestmark = pytest.mark.slow

# More images than the `CHUNK` that Transform's graph processes at a time; the exported model
# processes all images of a request at once.
IMAGES = [encode(gradient(20 + i, 30), ("JPEG", "PNG")[i % 2]) for i in range(CHUNK + 3)]


@pytest.fixture(scope="module")
def folder(project, tmp_path_factory):
    """Returns the folder that `tests.trainer.exporting_process` writes."""
    folder = tmp_path_factory.mktemp("serving")
    command = [sys.executable, "-m", "tests.trainer.exporting_process", str(folder)]
    done = subprocess.run(command, cwd=project, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return folder


def inputs_for(backbone):
    """Returns the images as inputs for each signature of a model with this backbone."""
    shapes = read_shapes(backbone)
    return inputs_of(IMAGES, shapes.height, shapes.width)


@pytest.fixture(scope="module")
def answers_of(folder, server_process):
    """Returns a function that runs a model in a Session and returns its outputs by signature."""

    @functools.cache
    def answers_of(name):
        return server_process.ask(
            folder / "exported" / name, inputs_for(folder / "backbones" / KINDS[name][0])
        )

    return answers_of


@pytest.mark.parametrize("name", KINDS)
def test_an_exported_model_has_only_pure_operations(folder, name):
    """The exported graph may contain tf.data datasets, but no dataset that reads a file."""
    check_operations(folder / "exported" / name)


@pytest.mark.parametrize("name", KINDS)
def test_a_session_answers_all_signatures(folder, answers_of, name):
    directory = folder / "exported" / name
    inputs = inputs_for(folder / "backbones" / KINDS[name][0])
    assert_same(answers_of(name), answers_by_object_graph(directory, inputs))


def test_tensorflow_java_predicts_the_same(folder, answers_of, tensorflow_java, tmp_path):
    """TensorFlow Java and TensorFlow for Python contain different versions of the C++ loader, which
    must return the same predictions."""
    files = [tmp_path / str(index) for index in range(3)]
    for file, image in zip(files, IMAGES[:3], strict=True):
        file.write_bytes(image)
    models = [folder / "exported" / name for name in KINDS]
    answers = tensorflow_java.classify(models, files)
    for name, model in zip(KINDS, models, strict=True):
        labels, probabilities = answers[str(model)]
        expected = answers_of(name)["serving_default"]
        assert labels == [label.decode() for label in expected["label"][:3]]
        np.testing.assert_allclose(probabilities, expected["probability"][:3], rtol=0, atol=1e-5)


@pytest.mark.parametrize("name", KINDS)
def test_all_signatures_return_the_same(answers_of, name):
    answers = answers_of(name)
    for outputs in answers.values():
        # TensorFlow Serving splits the outputs along the first dimension to answer the requests in
        # a batch, so the size of the first dimension must be the number of images.
        assert {value.shape[0] for value in outputs.values()} == {len(IMAGES)}
        assert outputs["probabilities"].shape == (len(IMAGES), len(CLASSES))
        assert_same({"": outputs}, {"": answers["serving_default"]})
        np.testing.assert_allclose(outputs["probabilities"].sum(-1), 1, atol=1e-5)
        labels = [label.decode() for label in outputs["label"]]
        assert labels == [CLASSES[index] for index in outputs["label_id"]]
        assert outputs["valid"].all()


def test_every_model_has_learnt_other_weights(answers_of):
    """If two models had the same outputs, no test would notice that a session restores the weights
    of the wrong model."""
    probabilities = [answers_of(name)["serving_default"]["probabilities"] for name in KINDS]
    for index, one in enumerate(probabilities):
        assert np.abs(one - 1 / len(CLASSES)).max() > 1e-3
        for other in probabilities[index + 1 :]:
            assert np.abs(one - other).max() > 1e-4


@pytest.mark.parametrize("name", KINDS)
def test_the_transform_graph_is_served(folder, answers_of, name):
    graph = TransformGraph(str(graph_directory(folder, name)))
    answers = answers_of(name)
    if KINDS[name][1] == "head":
        features = graph(tf.constant(IMAGES), FEATURES)
        variables = folder / "exported" / name / "variables" / "variables"
        reader = tf.train.load_checkpoint(str(variables))
        kernel, bias = (
            reader.get_tensor(f"head/{index}/.ATTRIBUTES/VARIABLE_VALUE") for index in range(2)
        )
        calibration = folder / "exported" / name / "assets.extra" / "calibration.json"
        temperature = json.loads(calibration.read_text())["temperature"]
        assert temperature != 1
        probabilities = tf.nn.softmax((features @ kernel + bias) / temperature)
        expected = answers["serving_default"]["probabilities"]
    else:
        probabilities = graph(tf.constant(IMAGES), PIXELS)
        expected = inputs_for(folder / "backbones" / KINDS[name][0])["from_pixels"]["images"]
    np.testing.assert_allclose(probabilities, expected, rtol=0, atol=1e-5)


BAD = {
    "nothing": b"",
    "rubbish": b"rubbish",
    "a truncated JPEG": IMAGES[0][: len(IMAGES[0]) // 2],
    "a truncated PNG": IMAGES[1][:-60],
    "too many pixels": image_files.png_bomb(1001),
    "an animated WebP": image_files.animation("WEBP"),
}


@pytest.mark.parametrize("name", ["full_plain", "head_hybrid"])
def test_an_invalid_image_does_not_change_the_outputs_for_others(
    folder, server_process, answers_of, name
):
    """A server may put the requests of several clients into one batch."""
    images = [image for pair in zip(IMAGES, BAD.values(), strict=False) for image in pair]
    expected = answers_of(name)["serving_default"]
    examples = [example_of(image) for image in images]
    examples[1::2] = [b"rubbish", example_of(b""), *examples[5::2]]
    inputs = {"serving_default": {"image_bytes": images}, "from_examples": {"examples": examples}}
    for outputs in server_process.ask(folder / "exported" / name, inputs).values():
        np.testing.assert_array_equal(outputs["valid"], [True, False] * len(BAD))
        for key, value in outputs.items():
            good, of_bad = expected[key][: len(BAD)], value[1::2]
            if value.dtype == np.float32:
                np.testing.assert_allclose(value[::2], good, rtol=0, atol=1e-5)
            else:
                np.testing.assert_array_equal(value[::2], good)
            nothing = {"label": b"", "label_id": -1}.get(key, 0)
            np.testing.assert_array_equal(of_bad, np.full(of_bad.shape, nothing))


@pytest.mark.parametrize("name", ["full_collection", "head_bfloat16"])
def test_a_batch_may_be_empty(folder, server_process, name):
    inputs = inputs_for(folder / "backbones" / KINDS[name][0])
    given = {
        signature: {key: value[:0] for key, value in arrays.items()}
        for signature, arrays in inputs.items()
    }
    for outputs in server_process.ask(folder / "exported" / name, given).values():
        assert {value.shape[0] for value in outputs.values()} == {0}
        assert outputs["probabilities"].shape == (0, len(CLASSES))


@pytest.mark.parametrize("name", KINDS)
def test_weights_are_stored_once(folder, name):
    """An exported model stores each weight of the backbone and the head only once.

    An exported model may be 800 kB larger than its weights: the graph that decodes images takes
    some 400 kB, and the signatures take 1 kB for each variable.
    """
    backbone = folder / "backbones" / KINDS[name][0]
    head = (read_shapes(backbone).features + 1) * len(CLASSES)
    exported = folder / "exported" / name
    assert numbers_in(exported) == numbers_in(backbone) + head
    assert bytes_in(exported) <= bytes_in(backbone) + 4 * head + 800_000


def bytes_in(model):
    """Returns the size of a SavedModel in bytes."""
    return sum(file.stat().st_size for file in model.rglob("*") if file.is_file())


def numbers_in(model):
    """Returns the number of parameters in the variables of a SavedModel."""
    reader = tf.train.load_checkpoint(str(model / "variables" / "variables"))
    shapes = reader.get_variable_to_shape_map()
    shapes.pop("_CHECKPOINTABLE_OBJECT_GRAPH")
    return sum(int(np.prod(shape)) for shape in shapes.values())


def random_images(size):
    return np.random.default_rng(1).uniform(-1, 1, [3, size, size, 3]).astype(np.float32)


@pytest.mark.parametrize("name", ["plain", "hybrid", "bfloat16", "collection"])
def test_a_backbone_answers_in_a_session(folder, server_process, name):
    directory = folder / "backbones" / name
    ((_, inputs),) = server_process.input_shapes(directory).items()
    (argument,) = inputs
    given = {"serving_default": {argument: random_images(16)}}
    expected = answers_by_object_graph(directory, given)
    assert np.abs(next(iter(expected["serving_default"].values()))).max() > 0
    assert_same(server_process.ask(directory, given), expected)


@pytest.mark.parametrize(
    ("architecture", "precision"), [(TINY, "float32"), (HYBRID, "mixed_bfloat16")]
)
def test_a_classifier_of_the_converter_answers(tmp_path, server_process, architecture, precision):
    arrays = random_arrays(dataclasses.replace(architecture, classes=7), seed=0)
    arrays["head/kernel"] = np.random.default_rng(0).normal(size=(16, 7)).astype(np.float32)
    convert(arrays, tmp_path / "model", task="classification", precision=precision)
    given = {"serving_default": {"images": random_images(16)}}
    expected = answers_by_object_graph(tmp_path / "model", given)
    assert expected["serving_default"]["outputs"].shape == (3, 7)
    assert_same(server_process.ask(tmp_path / "model", given), expected)
