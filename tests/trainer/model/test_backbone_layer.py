import keras
import numpy as np
import pytest
import tensorflow as tf

from backbones.contract import load_backbone, read_shapes
from trainer.model.classifier import make_classifier


def classifier_of(backbone, classes=3):
    return make_classifier(load_backbone(backbone), read_shapes(backbone), classes)


@pytest.fixture
def model(tiny_backbone):
    keras.utils.set_random_seed(0)
    return classifier_of(tiny_backbone)


@pytest.fixture
def batch():
    generator = np.random.default_rng(0)
    images = generator.uniform(-1, 1, [6, 16, 16, 3]).astype(np.float32)
    return images, np.arange(6) % 3


def train(model, batch, optimizer):
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(optimizer=optimizer, loss=loss, jit_compile=False)
    return model.fit(*batch, epochs=10, verbose=0).history["loss"]


@pytest.mark.parametrize(
    "optimizer",
    [
        lambda: keras.optimizers.SGD(0.1, momentum=0.9, global_clipnorm=1.0),
        lambda: keras.optimizers.AdamW(0.01, weight_decay=0.01),
    ],
    ids=["sgd", "adamw"],
)
def test_every_variable_of_the_backbone_is_trained(model, batch, optimizer):
    restored = model.get_layer("backbone").backbone
    before = [variable.numpy() for variable in restored.trainable_variables]
    losses = train(model, batch, optimizer())
    assert losses[-1] < 0.5 * losses[0]
    for old, new in zip(before, restored.trainable_variables, strict=True):
        # The bias of the keys adds the same number to all scores of a query. The softmax over these
        # scores ignores this number, so the bias of the keys is not trained.
        if not new.name.endswith("key/bias:0"):
            assert np.abs(new.numpy() - old).max() > 0, new.name


def test_a_frozen_backbone_is_not_trained(model, batch):
    layer = model.get_layer("backbone")
    layer.trainable = False
    before = [variable.numpy() for variable in layer.backbone.variables]
    train(model, batch, keras.optimizers.SGD(0.1))
    for old, new in zip(before, layer.backbone.variables, strict=True):
        np.testing.assert_array_equal(new.numpy(), old)


def test_weights_can_be_saved_and_loaded(model, batch, tmp_path, tiny_backbone):
    train(model, batch, keras.optimizers.SGD(0.1))
    model.save_weights(tmp_path / "x.weights.h5")
    other = classifier_of(tiny_backbone)
    assert np.abs(other(batch[0]) - model(batch[0])).max() > 1e-3
    other.load_weights(tmp_path / "x.weights.h5")
    np.testing.assert_array_equal(other(batch[0]), model(batch[0]))


def test_the_backbone_trains_on_several_devices(project, tiny_backbone):
    """The test starts a process with three logical CPUs, and trains with MirroredStrategy.

    The test uses three replicas to detect a broadcast that is not exact. A third of a float32 is
    rounded, so the sum of three thirds may differ from the float32.
    """
    import subprocess
    import sys

    code = f"""
import keras, numpy as np, tensorflow as tf
cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 3)
from backbones.contract import load_backbone, read_shapes
from trainer.model.classifier import make_classifier
directory = {str(tiny_backbone)!r}
strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1", "CPU:2"])
with strategy.scope():
    model = make_classifier(load_backbone(directory), read_shapes(directory), classes=3)
    model.compile(optimizer=keras.optimizers.SGD(0.1, momentum=0.9), jit_compile=False,
                  loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True))
images = np.random.default_rng(0).uniform(-1, 1, [6, 16, 16, 3]).astype("float32")
losses = model.fit(images, np.arange(6) % 3, epochs=10, verbose=0).history["loss"]
assert losses[-1] < 0.5 * losses[0], losses
from tests.trainer.training_process import check_broadcast
check_broadcast(strategy)
"""
    subprocess.run([sys.executable, "-c", code], cwd=project, check=True, capture_output=True)


def test_regularization_losses_are_added(tmp_path):
    class Model(tf.Module):
        variables = trainable_variables = None

        @tf.function
        def __call__(self, images, training=False):
            return tf.reduce_mean(images, [1, 2]) * self.variables[0]

    module = Model()
    weight = tf.Variable(3.0)
    module.variables = module.trainable_variables = [weight]
    module.regularization_losses = [tf.function(lambda: 0.5 * weight**2, input_signature=[])]
    spec = tf.TensorSpec([None, 4, 4, 3], tf.float32, name="images")
    for training in (False, True):
        module.__call__.get_concrete_function(spec, training=training)
    tf.saved_model.save(module, str(tmp_path))
    model = classifier_of(tmp_path, classes=2)
    model(np.zeros([1, 4, 4, 3], np.float32))
    assert [float(loss) for loss in model.losses] == [4.5]
