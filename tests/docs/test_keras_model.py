"""Runs the code in docs/models.md that converts a Keras model to a backbone."""

import re

import keras
import numpy as np
import pytest
import tensorflow as tf

from backbones.admission import check_backbone
from backbones.contract import call_backbone, check_tunable, load_backbone, read_shapes
from backbones.resolve import check_model
from common.errors import InputError
from tests.conftest import encode, gradient
from tests.signatures import answers_by_object_graph, assert_same, inputs_of
from trainer.decoding.limits import Limits
from trainer.model.classifier import make_classifier
from trainer.preprocessing import decode_images
from trainer.serving.calibration import Calibration
from trainer.serving.export import ServedClassifier

HINT = 'docs/models.md, "A Keras model", shows how to convert it'
SIZE = 16


@pytest.fixture(scope="module")
def model():
    """Returns a Keras model with three kinds of variables: trainable weights, the moving averages
    of a batch norm, and the seed of a dropout layer."""
    keras.utils.set_random_seed(0)
    layers = [
        keras.Input((SIZE, SIZE, 3)),
        keras.layers.Conv2D(8, 3, activation="relu"),
        keras.layers.BatchNormalization(),
        keras.layers.Dropout(0.5),
        keras.layers.GlobalAveragePooling2D(),
    ]
    return keras.Sequential(layers)


@pytest.fixture(scope="module")
def folder(model, tmp_path_factory):
    """Returns a folder with a .keras file and an exported SavedModel."""
    folder = tmp_path_factory.mktemp("keras")
    model.save(folder / "mine.keras")
    model.export(folder / "exported", verbose=False)
    return folder


@pytest.fixture(scope="module", params=["mine.keras", "exported"])
def backbone(request, project, folder, tmp_path_factory):
    """Runs the code in docs/models.md for the file `mine.keras` or for the SavedModel `exported`.

    Returns:
      The SavedModel that the code writes.
    """
    text = (project / "docs" / "models.md").read_text()
    blocks = re.findall(r"^```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    (lines,) = [block for block in blocks if f'load_model("{request.param}")' in block] or [
        block for block in blocks if f'load("{request.param}")' in block
    ]
    directory = tmp_path_factory.mktemp("made")
    (directory / request.param).symlink_to(folder / request.param)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(directory)
        exec(lines, {})
    return directory / "mine"


def test_the_backbone_satisfies_the_contract_and_returns_the_features_of_the_model(backbone, model):
    shapes = check_backbone(backbone)
    assert (shapes.height, shapes.width, shapes.features) == (SIZE, SIZE, 8)
    check_tunable(backbone)
    images = np.random.default_rng(0).uniform(-1, 1, (3, SIZE, SIZE, 3)).astype(np.float32)
    features = call_backbone(load_backbone(backbone), images)
    np.testing.assert_allclose(features, model(images), rtol=0, atol=1e-6)


def test_the_backbone_is_tuned_and_served(backbone, tmp_path, server_process):
    """The exported model has the same outputs with `tf.saved_model.load` and in a Session.

    Servers, such as TensorFlow Serving, run a model in a Session.
    """
    classifier = make_classifier(load_backbone(backbone), read_shapes(backbone), 3)
    head, layer = classifier.get_layer("head"), classifier.get_layer("backbone")
    head.set_weights([np.eye(8, 3, dtype=np.float32), np.zeros(3, np.float32)])
    images = [encode(gradient(20 + i, 30), "PNG") for i in range(2)]
    pixels = decode_images(tf.constant(images), SIZE, SIZE)
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(classifier(pixels) ** 2)
    variables = [variable.value for variable in classifier.trainable_variables]
    gradients = tape.gradient(loss, variables)
    assert len(gradients) == 6
    assert all(float(tf.norm(change)) > 0 for change in gradients)
    before = classifier(pixels)
    for variable, change in zip(variables, gradients, strict=True):
        variable.assign_sub(0.01 * change)
    assert np.abs(classifier(pixels) - before).max() > 1e-3

    ServedClassifier(
        to_features=layer,
        head=head,
        backbone=layer.backbone,
        classes=["a", "b", "c"],
        image_shape=(SIZE, SIZE),
        limits=Limits(),
        calibration=Calibration(),
    ).save(str(tmp_path / "served"))
    inputs = inputs_of(images, SIZE, SIZE)
    expected = answers_by_object_graph(tmp_path / "served", inputs)
    np.testing.assert_allclose(
        expected["from_pixels"]["probabilities"], tf.nn.softmax(classifier(pixels)), atol=1e-5
    )
    assert_same(server_process.ask(tmp_path / "served", inputs), expected)


def test_keras_files_are_refused_with_a_reference_to_the_code(folder):
    with pytest.raises(InputError) as error:
        check_model(str(folder / "mine.keras"), "pretrained")
    assert str(error.value) == (
        f"--model {folder}/mine.keras: is a Keras file; expected a SavedModel with the "
        f"reusable interface of TF-Hub feature vectors: {HINT}"
    )
    # `check_model` accepts this model, because only TensorFlow can find the fault in the model.
    check_model(str(folder / "exported"), "pretrained")
    with pytest.raises(InputError) as error:
        read_shapes(folder / "exported")
    assert str(error.value) == (
        f"{folder}/exported: this SavedModel has no __call__, regularization_losses; expected the "
        f"reusable interface of TF-Hub feature vectors ({HINT})"
    )
