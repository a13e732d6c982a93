import numpy as np
import pytest
import scipy.ndimage

from backbones.augreg.position_embedding import resize_position_embedding

NAME = "Transformer/posembed_input/pos_embedding"


def test_agrees_with_the_public_code(checkpoint, expected):
    resized = resize_position_embedding(checkpoint("tiny_plain")[NAME], 6)
    assert resized.dtype == np.float32
    np.testing.assert_allclose(
        resized, expected("tiny_plain")["pos_embedding_96"], rtol=0, atol=1e-6
    )


@pytest.mark.parametrize(("old", "new"), [(7, 12), (14, 24), (12, 7), (4, 1), (1, 3)])
def test_agrees_with_scipy(old, new):
    grid = np.random.default_rng(0).standard_normal((old, old, 5), np.float32)
    embedding = np.concatenate([np.ones((1, 1, 5), np.float32), grid.reshape(1, -1, 5)], axis=1)
    resized = resize_position_embedding(embedding, new)
    zoomed = scipy.ndimage.zoom(grid, (new / old, new / old, 1), order=1)
    np.testing.assert_allclose(resized[0, 1:].reshape(new, new, 5), zoomed, rtol=0, atol=1e-6)
    np.testing.assert_array_equal(resized[:, :1], embedding[:, :1])


def test_the_same_size_changes_nothing(checkpoint):
    embedding = checkpoint("tiny_plain")[NAME]
    np.testing.assert_array_equal(resize_position_embedding(embedding, 4), embedding)
