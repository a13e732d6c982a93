import numpy as np
import pytest

from backbones.augreg.architecture import Architecture
from backbones.augreg.initialization import random_arrays

ARCHITECTURE = Architecture(
    image_size=64,
    patch_size=1,
    width=64,
    depth=2,
    heads=4,
    mlp_dim=256,
    resnet_blocks=(1, 1),
    width_factor=0.5,
    representation_size=32,
    classes=10,
)


@pytest.fixture(scope="module")
def arrays():
    return random_arrays(ARCHITECTURE, seed=0)


def test_has_the_arrays_of_the_architecture(arrays):
    assert {name: array.shape for name, array in arrays.items()} == ARCHITECTURE.array_shapes()
    assert {array.dtype for array in arrays.values()} == {np.dtype(np.float32)}


def test_the_result_depends_only_on_the_seed(arrays):
    again, other = random_arrays(ARCHITECTURE, seed=0), random_arrays(ARCHITECTURE, seed=1)
    for name, array in arrays.items():
        np.testing.assert_array_equal(array, again[name])
    assert not np.array_equal(arrays["embedding/kernel"], other["embedding/kernel"])


@pytest.mark.parametrize(
    ("name", "deviation"),
    [
        ("conv_root/kernel", (7 * 7 * 3) ** -0.5),
        ("block2/unit1/conv2/kernel", (3 * 3 * 64) ** -0.5),
        ("embedding/kernel", 256**-0.5),
        ("pre_logits/kernel", 64**-0.5),
    ],
)
def test_lecun_normal(arrays, name, deviation):
    assert arrays[name].std() == pytest.approx(deviation, rel=0.05)
    assert np.abs(arrays[name]).max() <= 2 / 0.87962566 * deviation * 1.0001


@pytest.mark.parametrize(
    ("name", "fans"),
    [
        ("MultiHeadDotProductAttention_1/query/kernel", 64 + 64),
        ("MultiHeadDotProductAttention_1/out/kernel", 64 + 64),
        ("MlpBlock_3/Dense_0/kernel", 64 + 256),
        ("MlpBlock_3/Dense_1/kernel", 256 + 64),
    ],
)
def test_xavier_uniform(arrays, name, fans):
    array, limit = arrays[f"Transformer/encoderblock_1/{name}"], (6 / fans) ** 0.5
    assert array.min() == pytest.approx(-limit, rel=0.01)
    assert array.max() == pytest.approx(limit, rel=0.01)
    assert array.std() == pytest.approx(limit / 3**0.5, rel=0.05)


def test_position_embedding(arrays):
    embedding = arrays["Transformer/posembed_input/pos_embedding"]
    assert embedding.std() == pytest.approx(0.02, rel=0.05)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("cls", 0),
        ("embedding/bias", 0),
        ("head/kernel", 0),
        ("block1/unit1/gn3/scale", 0),
        ("block1/unit1/gn2/scale", 1),
        ("Transformer/encoder_norm/scale", 1),
        ("Transformer/encoder_norm/bias", 0),
    ],
)
def test_constants(arrays, name, value):
    assert (arrays[name] == value).all()
