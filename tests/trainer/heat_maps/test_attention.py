"""Tests of heat maps from attention, on a small ViT of `backbones.augreg`."""

import numpy as np
import pytest
import tensorflow as tf

from backbones.augreg.vit import VisionTransformer
from tests.conftest import TINY
from trainer.heat_maps.attention import AttentionMaps, UnknownGraphError, relevance

# `TINY` has a grid of 2 x 2 patches of 8 pixels, and 16 features.
BRIGHT = {
    (row, column): np.full([16, 16, 3], -1, np.float32) for row in (0, 1) for column in (0, 1)
}
for (row, column), image in BRIGHT.items():
    image[8 * row : 8 * row + 8, 8 * column : 8 * column + 8] = 1


def make_signature(to_logits, size=16):
    """Returns a signature like that of an exported model, with softmax as the last operation."""
    spec = tf.TensorSpec([None, size, size, 3], tf.float32, name="images")
    inner = tf.function(lambda images: tf.nn.softmax(to_logits(images)))
    return tf.function(lambda images: {"probabilities": inner(images)}).get_concrete_function(spec)


@pytest.fixture(scope="module")
def signature():
    """Returns the signature of a ViT whose attention is uniform.

    Feature 0 is the brightness of a patch. A bright patch raises the logit of class 0, and lowers
    the logit of class 1.
    """
    arrays = {
        name: (np.ones if name.endswith("scale") else np.zeros)(shape, np.float32)
        for name, shape in TINY.array_shapes().items()
    }
    arrays["embedding/kernel"][..., 0] = 0.1
    arrays["embedding/bias"][0] = 0.1 * 8 * 8 * 3  # the features of a black patch are 0
    for layer in range(TINY.depth):
        attention = f"Transformer/encoderblock_{layer}/MultiHeadDotProductAttention_1"
        value, out = (arrays[f"{attention}/{name}/kernel"] for name in ("value", "out"))
        value[:] = np.eye(16).reshape(value.shape)
        out[:] = np.eye(16).reshape(out.shape)
    model = VisionTransformer(TINY, arrays)
    head = np.zeros([16, 2], np.float32)
    head[0] = [1, -1]
    found = make_signature(lambda images: model(images) @ head)
    # The traced function does not keep the model's variables alive, so this attribute does.
    found.model = model
    return found


@pytest.mark.parametrize("patch", BRIGHT)
def test_the_patch_that_speaks_for_the_answer_is_warmest(signature, patch):
    values = AttentionMaps(signature)(BRIGHT[patch], 0)
    assert values.shape == (2, 2)
    assert np.unravel_index(values.argmax(), values.shape) == patch
    assert sorted(values.ravel())[-2] < 0.5 * values.max()


def test_the_patch_is_coldest_for_the_other_class(signature):
    values = AttentionMaps(signature)(BRIGHT[1, 0], 1)
    assert values[1, 0] == pytest.approx(values.min())


def test_a_graph_without_attention_is_not_taken(signature):
    kernel = tf.random.stateless_normal([3, 5], [0, 0])
    with pytest.raises(UnknownGraphError, match="0 different numbers of tokens"):
        AttentionMaps(make_signature(lambda images: tf.reduce_mean(images, [1, 2]) @ kernel))


def test_relevance_is_the_product_of_the_layers():
    """Both layers have one attention head; in the last layer, only the class token is a query."""
    first = np.full([1, 5, 5], 0.2)
    gradient = np.zeros([1, 5, 5])
    gradient[0, 2, 4] = 3  # the class depends on how much token 2 attends to token 4
    last, last_gradient = np.full([1, 1, 5], 0.2), np.array([[[0, 0, 1.0, 0, -5.0]]])
    values = relevance([(first, gradient), (last, last_gradient)])
    # The last layer gives the relevance 1/2 to token 2. In the first layer, token 2 passes half of
    # its relevance to token 4, so each of the two tokens has the relevance 1/4.
    np.testing.assert_allclose(values, [[0, 0.25], [0, 0.25]])
