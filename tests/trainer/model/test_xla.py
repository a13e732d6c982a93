"""Tests that XLA compiles functions that call a restored backbone.

tests/benchmarks/test_accelerator.py tests that XLA compiles each step only once.
"""

import keras
import numpy as np
import pytest
import tensorflow as tf

from backbones.augreg.architecture import Architecture
from backbones.contract import Shapes, call_backbone, load_backbone
from tests.trainer.collection_model import write_collection_model
from trainer.model.classifier import make_classifier
from trainer.model.xla import compile_with_xla
from trainer.training.hyperparameters import Hyperparameters
from trainer.training.optimizer import Schedule
from trainer.training.train_step import Stepper

TINY = Architecture(
    image_size=32, patch_size=16, width=8, depth=2, heads=2, mlp_dim=16, classes=None,
    representation_size=None, resnet_blocks=None,
)  # fmt: skip


@pytest.fixture
def collection_model(tmp_path):
    """Returns a model with `jit_compile=True` and saved gradients, like the models on TF-Hub."""
    write_collection_model(TINY, tmp_path / "collection")
    return load_backbone(tmp_path / "collection")


@pytest.fixture
def normalizing_model(tmp_path):
    """Returns a model with a branch and a batch norm; training updates the moving averages."""
    keras.utils.set_random_seed(0)
    layers = [
        keras.layers.Conv2D(4, 4, 4),
        keras.layers.BatchNormalization(momentum=0.5),
        keras.layers.Dropout(0.0),
        keras.layers.GlobalAveragePooling2D(),
    ]
    model = keras.Sequential([keras.Input((32, 32, 3)), *layers])

    class Reusable(tf.Module):
        @tf.function
        def __call__(self, images, training=False):
            images = tf.stop_gradient(images)
            bright = tf.reduce_max(tf.abs(images)) > 1
            images = tf.cond(bright, lambda: images / 2, lambda: images)
            return model(images, training=training)

    reusable = Reusable()
    for training in (False, True):
        spec = tf.TensorSpec([None, 32, 32, 3])
        reusable.__call__.get_concrete_function(spec, training=training)
    reusable.kept = [v.value for v in model.variables]
    reusable.moving_mean = model.layers[1].moving_mean.value
    reusable.kernel = model.layers[0].kernel.value
    tf.saved_model.save(reusable, str(tmp_path / "normalizing"))
    return tf.saved_model.load(str(tmp_path / "normalizing"))


def images(count):
    return tf.random.stateless_uniform([count, 32, 32, 3], (1, count), -1, 1)


def test_gradients_of_a_collection_model(collection_model):
    variables = list(collection_model.trainable_variables)

    def gradients(images):
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(call_backbone(collection_model, images) ** 2)
        return {"loss": loss, "gradients": tape.gradient(loss, variables)}

    compiled = compile_with_xla(gradients)
    for batch in (images(2), images(3)):
        expected, found = tf.function(gradients)(batch), compiled(batch)
        tf.nest.assert_same_structure(expected, found)
        for one, other in zip(tf.nest.flatten(expected), tf.nest.flatten(found), strict=True):
            np.testing.assert_allclose(one, other, rtol=2e-4, atol=2e-4)
    for function in compiled._list_all_concrete_functions():
        assert not [op.name for op in function.graph.get_operations() if "Call" in op.type]


def test_a_batch_norm_in_training_changes_its_averages_once(normalizing_model):
    before = normalizing_model.moving_mean.numpy()
    batch = 2 * images(4)
    kernel = normalizing_model.kernel

    def gradient(images):
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(normalizing_model(images, training=True) ** 2)
        return tape.gradient(loss, kernel)

    expected = tf.function(gradient)(batch)
    changed = normalizing_model.moving_mean.numpy()
    assert np.abs(changed - before).max() > 1e-3
    compiled = compile_with_xla(gradient)
    for _ in range(2):
        normalizing_model.moving_mean.assign(before)
        np.testing.assert_allclose(compiled(batch), expected, rtol=1e-3, atol=1e-5)
        np.testing.assert_allclose(normalizing_model.moving_mean, changed, rtol=1e-4, atol=1e-6)
        # The second batch contains each image of the first batch twice, so the mean and variance of
        # both batches are the same.
        batch = tf.concat([batch, batch], 0)
        expected = 2 * expected


def test_a_backbone_that_xla_cannot_compile_is_trained_without_xla(tmp_path, monkeypatch, caplog):
    """XLA cannot compute the gradient of a `tf.cond` in a restored function. The GPU is mocked."""
    devices = tf.config.list_logical_devices
    monkeypatch.setattr(
        tf.config,
        "list_logical_devices",
        lambda kind=None: ["a GPU"] if kind == "GPU" else devices(kind),
    )
    directory = tmp_path / "branching"
    _write_branching_model(directory)
    losses = {}
    for jit_compile in (None, False):
        keras.utils.set_random_seed(0)
        model = make_classifier(load_backbone(directory), Shapes(32, 32, 3), 2)
        stepper = Stepper(
            model,
            Schedule(0.1, 0, 2, "constant"),
            Hyperparameters(batch_size=4, jit_compile=jit_compile),
            class_weights=None,
            strategy=tf.distribute.get_strategy(),
        )
        batch = [(images(4), tf.one_hot([0, 1, 0, 1], 2))]
        losses[jit_compile] = [float(stepper.step(batch).loss) for _ in range(2)]
    assert losses[None] == pytest.approx(losses[False])
    assert losses[None][1] < losses[None][0]
    (message,) = [record.getMessage() for record in caplog.records if "XLA" in record.getMessage()]
    assert message.startswith(
        "The training step cannot be compiled with XLA; training continues without XLA:"
    )


def _write_branching_model(directory):
    scale = tf.Variable([1.0, 2.0, 3.0])

    class Branching(tf.Module):
        # A SavedModel stores no Python properties, so these attributes override the properties of
        # tf.Module; lists can be stored.
        variables: list[tf.Variable] = []  # noqa: RUF012
        trainable_variables: list[tf.Variable] = []  # noqa: RUF012

        @tf.function(input_signature=[tf.TensorSpec([None, 32, 32, 3])])
        def __call__(self, images):
            features = tf.reduce_mean(images, [1, 2]) * scale
            positive = tf.reduce_sum(features) > 0
            return tf.cond(positive, lambda: features**2, lambda: features * scale)

    model = Branching()
    model.variables = model.trainable_variables = [scale]
    model.regularization_losses = []
    tf.saved_model.save(model, str(directory))
