import functools
import os
import shutil
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

from backbones.augreg.architecture import Architecture
from backbones.augreg.checkpoint import load_checkpoint
from backbones.augreg.convert import convert
from backbones.augreg.initialization import random_arrays
from backbones.augreg.npz import CheckpointError
from backbones.augreg.position_embedding import resize_position_embedding
from backbones.catalogue import VARIANTS
from common.errors import InputError

GOLDEN = ["tiny_plain", "tiny_prelogits", "tiny_hybrid"]
TASKS = {"fe": "features", "classification": "logits"}
TOLERANCE = {"tiny_plain": 2e-5, "tiny_prelogits": 2e-5, "tiny_hybrid": 1e-4}
POSITION_EMBEDDING = "Transformer/posembed_input/pos_embedding"


@pytest.fixture(scope="module")
def directory(checkpoint, tmp_path_factory):
    """Returns a function that converts a golden checkpoint, once for each set of options."""
    directories = {}

    def get(name, **options):
        key = (name, *sorted(options.items()))
        if key not in directories:
            directories[key] = tmp_path_factory.mktemp(name) / "backbone"
            convert(checkpoint(name), directories[key], **options)
        return directories[key]

    return get


@pytest.fixture(scope="module")
def backbone(directory):
    """Returns a function that converts a golden checkpoint and loads the SavedModel."""
    load = functools.cache(tf.saved_model.load)
    return lambda name, **options: load(str(directory(name, **options)))


def named(variables):
    return {variable.name.removesuffix(":0"): variable.numpy() for variable in variables}


@pytest.mark.parametrize("name", GOLDEN)
@pytest.mark.parametrize("task", TASKS)
def test_agrees_with_the_public_code(name, task, backbone, expected):
    loaded, golden = backbone(name, task=task), expected(name)
    for outputs in (
        loaded(golden["inputs"]),
        loaded(golden["inputs"], training=False),
        loaded(golden["inputs"], training=True),
        loaded.signatures["serving_default"](images=tf.constant(golden["inputs"]))["outputs"],
    ):
        assert outputs.dtype == tf.float32
        np.testing.assert_allclose(outputs, golden[TASKS[task]], rtol=0, atol=TOLERANCE[name])


@pytest.mark.parametrize("task", TASKS)
def test_agrees_with_the_public_code_at_another_size(task, backbone, expected):
    loaded, golden = backbone("tiny_plain", task=task, image_size=96), expected("tiny_plain")
    np.testing.assert_allclose(
        loaded(golden["inputs_96"]), golden[f"{TASKS[task]}_96"], rtol=0, atol=2e-5
    )
    np.testing.assert_allclose(
        named(loaded.variables)[POSITION_EMBEDDING], golden["pos_embedding_96"], rtol=0, atol=1e-6
    )


@pytest.mark.parametrize("name", GOLDEN)
def test_every_array_lands_unchanged_in_a_variable(name, backbone, checkpoint):
    arrays = checkpoint(name)
    variables = named(backbone(name, task="classification").variables)
    assert variables.keys() == arrays.keys()
    for key, array in arrays.items():
        np.testing.assert_array_equal(variables[key], array)


@pytest.mark.parametrize("name", GOLDEN)
def test_feature_extractor_has_every_array_but_the_head(name, backbone, checkpoint):
    arrays = checkpoint(name)
    variables = named(backbone(name).variables)
    assert arrays.keys() - variables.keys() == {"head/kernel", "head/bias"}
    for key, array in variables.items():
        np.testing.assert_array_equal(array, arrays[key])


@pytest.mark.parametrize(
    ("name", "precision"),
    [
        *((name, "float32") for name in GOLDEN),
        ("tiny_hybrid", "mixed_bfloat16"),
        ("tiny_hybrid", "mixed_float16"),
    ],
)
def test_gradients_reach_every_variable(name, precision, backbone, expected):
    loaded = backbone(name, task="classification", precision=precision)
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(loaded(expected(name)["inputs"], training=True) ** 2)
    variables = loaded.trainable_variables
    for variable, gradient in zip(variables, tape.gradient(loss, variables), strict=True):
        assert gradient is not None, variable.name
        assert gradient.shape == variable.shape
        assert np.isfinite(gradient).all(), variable.name
        # Softmax ignores a constant that is added to all keys, so the gradient of the keys' bias is
        # only noise.
        assert np.any(gradient) or variable.name.endswith("key/bias:0"), variable.name


def test_gradient_steps_reduce_the_loss(directory, expected):
    loaded = tf.saved_model.load(str(directory("tiny_plain")))
    inputs = tf.constant(expected("tiny_plain")["inputs"])

    def loss():
        return tf.reduce_mean(tf.square(loaded(inputs, training=True) - 1.0))

    before = loss()
    for _ in range(3):
        with tf.GradientTape() as tape:
            value = loss()
        gradients = tape.gradient(value, loaded.trainable_variables)
        for variable, gradient in zip(loaded.trainable_variables, gradients, strict=True):
            variable.assign_sub(0.01 * gradient)
    assert loss() < before


def test_the_saved_model_has_the_reusable_interface(backbone):
    loaded = backbone("tiny_prelogits")
    assert list(loaded.regularization_losses) == []
    assert len(loaded.variables) == len(loaded.trainable_variables) == 40
    for function in loaded.__call__.concrete_functions:
        (images, training), _ = function.structured_input_signature
        assert images == tf.TensorSpec([None, 64, 64, 3], tf.float32, name="images")
        assert training in (False, True)
        assert function.structured_outputs.shape == [None, 40]
    outputs = loaded.signatures["serving_default"].structured_outputs
    assert outputs["outputs"].shape == [None, 40]


@pytest.mark.parametrize("batch_size", [0, 1, 3, 64])
def test_any_batch_size(batch_size, backbone):
    images = tf.zeros([batch_size, 64, 64, 3])
    assert backbone("tiny_hybrid")(images).shape == (batch_size, 48)


def test_an_image_has_the_same_features_in_any_batch(backbone, expected):
    loaded, inputs = backbone("tiny_hybrid"), expected("tiny_hybrid")["inputs"]
    np.testing.assert_allclose(loaded(inputs[1:2]), loaded(inputs)[1:2], rtol=0, atol=2e-5)


@pytest.mark.parametrize(("precision", "bits"), [("mixed_bfloat16", 8), ("mixed_float16", 11)])
@pytest.mark.parametrize("name", GOLDEN)
def test_mixed_precision(name, precision, bits, backbone, expected):
    loaded, golden = backbone(name, precision=precision), expected(name)
    assert {variable.dtype for variable in loaded.variables} == {tf.float32}
    features = loaded(golden["inputs"])
    assert features.dtype == tf.float32
    error = np.abs(features - golden["features"]).max() / np.abs(golden["features"]).max()
    assert 1e-5 < error < 12 * 2**-bits


FRESH_PROCESS = """
import sys
import numpy as np
import tensorflow as tf
import tensorflow_hub as hub
directory, expected = sys.argv[1:]
golden = np.load(expected)
for load in (lambda: tf.saved_model.load(directory), lambda: hub.load(directory)):
    backbone = load()
    np.testing.assert_allclose(backbone(golden["inputs"]), golden["features"], rtol=0, atol=1e-4)
    assert len(backbone.variables) == 98 and "serving_default" in backbone.signatures
assert not {"trainer", "backbones", "common"} & set(sys.modules)
"""


def test_a_saved_model_loads_without_the_projects_code(directory, checkpoint_path, tmp_path):
    golden = checkpoint_path("tiny_hybrid").with_name("tiny_hybrid.expected.npz")
    command = [sys.executable, "-c", FRESH_PROCESS, str(directory("tiny_hybrid")), str(golden)]
    process = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert process.returncode == 0, process.stderr


def test_convert_returns_the_architecture(checkpoint, tmp_path):
    architecture = convert(checkpoint("tiny_plain"), tmp_path / "backbone", image_size=32)
    assert architecture == Architecture(
        image_size=32, patch_size=16, width=48, depth=2, heads=3, mlp_dim=96
    )


@pytest.mark.parametrize(
    ("removed", "options", "error", "message"),
    [
        ({"cls"}, {}, CheckpointError, "array 'cls' is missing"),
        ({}, {"image_size": 65}, InputError, "image size 65: expected a positive multiple"),
        (
            {"head/kernel", "head/bias"},
            {"task": "classification"},
            CheckpointError,
            "array 'head/kernel' is missing; expected a head",
        ),
        ({}, {"task": "features"}, ValueError, "task='features'"),
        ({}, {"precision": "bfloat16"}, ValueError, "precision='bfloat16'"),
    ],
)
def test_bad_input_writes_nothing(removed, options, error, message, checkpoint, tmp_path):  # noqa: PLR0917
    arrays = {k: v for k, v in checkpoint("tiny_plain").items() if k not in removed}
    with pytest.raises(error, match=message):
        convert(arrays, tmp_path / "new" / "backbone", **options)
    assert list(tmp_path.iterdir()) == []


def test_a_checkpoint_without_head_is_a_feature_extractor(checkpoint, expected, tmp_path):
    arrays = {k: v for k, v in checkpoint("tiny_plain").items() if not k.startswith("head/")}
    convert(arrays, tmp_path / "backbone")
    golden = expected("tiny_plain")
    features = tf.saved_model.load(str(tmp_path / "backbone"))(golden["inputs"])
    np.testing.assert_allclose(features, golden["features"], rtol=0, atol=2e-5)


@pytest.mark.parametrize("taken_by", ["file", "directory"])
def test_never_overwrites(taken_by, checkpoint, tmp_path):
    path = tmp_path / "backbone"
    if taken_by == "directory":
        path.mkdir()
    (path / "mine" if taken_by == "directory" else path).write_text("mine")
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(InputError, match="backbone: is not an empty directory"):
        convert(checkpoint("tiny_plain"), path)
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("given", ["{}", ".", ""])
def test_an_empty_directory_is_filled(checkpoint, tmp_path, monkeypatch, given):
    """`convert` must not replace an empty directory, since the directory may be a mount point."""
    monkeypatch.chdir(tmp_path)
    before = tmp_path.stat()
    convert(checkpoint("tiny_plain"), given.format(tmp_path))
    assert os.path.samestat(before, tmp_path.stat())
    assert before.st_mode == tmp_path.stat().st_mode
    assert tf.saved_model.load(str(tmp_path))(tf.zeros([1, 64, 64, 3])).shape == (1, 48)
    assert not list(tmp_path.glob(".*"))


def test_a_failed_write_leaves_nothing_behind(checkpoint, tmp_path, monkeypatch):
    write = tf.saved_model.save

    def fill_the_disk(*arguments, **options):
        write(*arguments, **options)
        raise OSError("No space left on device")

    monkeypatch.setattr(tf.saved_model, "save", fill_the_disk)
    with pytest.raises(OSError, match="No space left"):
        convert(checkpoint("tiny_plain"), tmp_path / "backbone")
    assert list(tmp_path.iterdir()) == []


def test_the_saved_model_has_the_usual_permissions(directory, tmp_path):
    (tmp_path / "ordinary").mkdir()
    written = directory("tiny_plain")
    assert written.stat().st_mode == (tmp_path / "ordinary").stat().st_mode


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("vit_b16", 86_567_656),  # the model that most users choose
        ("vit_r50_l32", 328_994_856),  # the largest model, which is a hybrid
    ],
)
def test_full_size(name, parameters, tmp_path):
    """Published architectures with random weights are converted.

    The test removes its files, which take up to 1.3 GB, because pytest would keep them.
    """
    path, directory = tmp_path / "checkpoint.npz", tmp_path / "classifier"
    try:
        np.savez(path, **random_arrays(VARIANTS[name].architecture, seed=0))
        convert(load_checkpoint(path), directory, task="classification")
        loaded = tf.saved_model.load(str(directory))
        assert sum(variable.shape.num_elements() for variable in loaded.variables) == parameters
        assert loaded(tf.zeros([2, 224, 224, 3])).shape == (2, 1000)
        written = sum(file.stat().st_size for file in directory.rglob("*"))
        assert written <= 1.02 * path.stat().st_size
    finally:
        path.unlink()
        shutil.rmtree(directory, ignore_errors=True)


def test_a_hybrid_whose_resnet_has_only_a_root(tmp_path):
    """The ResNet of some hybrid models, such as R-Ti/16, has a root and no blocks."""
    architecture = Architecture(
        image_size=64, patch_size=8, width=32, depth=1, heads=2, mlp_dim=64, resnet_blocks=()
    )
    convert(random_arrays(architecture, seed=0), tmp_path / "backbone")
    loaded = tf.saved_model.load(str(tmp_path / "backbone"))
    images = np.random.default_rng(0).uniform(-1, 1, [2, 64, 64, 3]).astype(np.float32)
    first, second = loaded(images).numpy()
    assert first.shape == (32,)
    assert np.abs(first - second).max() > 1e-3


def test_only_the_position_embedding_changes_with_the_size(backbone, checkpoint):
    arrays = checkpoint("tiny_hybrid")
    variables = named(backbone("tiny_hybrid", image_size=128).variables)
    for key, array in variables.items():
        original = arrays[key]
        if key == POSITION_EMBEDDING:
            original = resize_position_embedding(original, 4)
        np.testing.assert_array_equal(array, original)
