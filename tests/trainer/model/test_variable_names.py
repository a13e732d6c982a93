import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from backbones import layout
from backbones.augreg.initialization import random_arrays
from backbones.catalogue import MODELS, Model, Variant
from backbones.contract import call_backbone, load_backbone, read_shapes, read_variables
from common.errors import InputError
from tests.conftest import TINY
from tests.trainer.collection_model import write_collection_model
from trainer.model.backbone_layer import BackboneLayer
from trainer.model.variable_names import named_variables
from trainer.training.optimizer import layer_rates

HYBRID = dataclasses.replace(TINY, image_size=32, patch_size=1, resnet_blocks=(1, 1), depth=11)


@pytest.fixture(params=[TINY, HYBRID], ids=["plain", "hybrid"])
def published(request, tmp_path, monkeypatch):
    """Writes a model like those of the TF-Hub collection; returns its architecture and directory.

    The fixture adds the model's architecture to the catalogue.
    """
    architecture = request.param
    entry = Model(name="x", task="fe", variant=Variant(title="X", architecture=architecture))
    monkeypatch.setattr(layout, "MODELS", {"x": entry})
    write_collection_model(architecture, tmp_path / "model")
    return architecture, tmp_path / "model"


def test_variables_of_the_collection_get_the_names_of_the_checkpoint(published):
    architecture, directory = published
    backbone = load_backbone(directory)
    named = named_variables(backbone)
    read = read_variables(directory)
    assert read == [("Variable", tuple(variable.shape)) for variable in backbone.variables]
    assert layout.find_layout(read).forward == tuple(architecture.array_shapes())
    arrays = random_arrays(architecture, seed=0)
    assert [name for name, _ in named] == list(architecture.array_shapes())
    for name, variable in named:
        np.testing.assert_array_equal(variable.numpy(), arrays[name])


def test_layers_are_recognised(published):
    architecture, directory = published
    layer = BackboneLayer(load_backbone(directory), architecture.width)
    names = [variable.name for variable in layer.trainable_variables]
    rates = dict(zip(names, layer_rates(names, 0.5), strict=True))
    assert rates["Transformer_encoder_norm_scale"] == 1
    assert rates[f"Transformer_encoderblock_{architecture.depth - 1}_LayerNorm_0_scale"] == 0.5
    assert rates["embedding_kernel"] < rates["Transformer_encoderblock_0_LayerNorm_0_scale"]


def test_named_variables_of_other_backbones_keep_their_names(tiny_backbone, tmp_path):
    names = [name for name, _ in named_variables(load_backbone(tiny_backbone))]
    assert names == list(TINY.array_shapes())
    assert read_variables(tiny_backbone) == list(TINY.array_shapes().items())
    # The catalogue does not contain TINY, so the variables of TINY keep TensorFlow's default name.
    write_collection_model(TINY, tmp_path / "model")
    assert {name for name, _ in named_variables(load_backbone(tmp_path / "model"))} == {"Variable"}


def test_architectures_of_the_catalogue_are_distinguishable():
    seen = {}
    for name, model in MODELS.items():
        shapes = model.architecture.array_shapes()
        key = tuple(layout._drop_axes_of_one([shapes[n] for n in sorted(shapes)]))
        other = seen.setdefault(key, name)
        assert MODELS[other].architecture == model.architecture


def test_a_function_without_the_argument_training_is_called_without_it(tmp_path):
    write_collection_model(TINY, tmp_path / "model")
    assert read_shapes(tmp_path / "model").features == TINY.width
    backbone = load_backbone(tmp_path / "model")
    images = tf.random.stateless_uniform([3, 16, 16, 3], [0, 0], -1, 1)
    with tf.GradientTape() as tape:
        features = call_backbone(backbone, images, training=True)
    assert features.shape == [3, TINY.width]
    gradients = tape.gradient(features, list(backbone.trainable_variables))
    assert all(gradient is not None for gradient in gradients)


def test_a_function_for_batches_of_one_size_is_refused(tmp_path):
    write_collection_model(TINY, tmp_path / "model", batch=1)
    with pytest.raises(InputError, match=r"map float32 \(1, 16, 16, 3\).*any batch size"):
        read_shapes(tmp_path / "model")
