"""Inputs for the three signatures of exported models, and an assertion for equal outputs."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from tests.trainer.small_training import feature

Arrays = dict[str, dict[str, Any]]


def inputs_of(images: Sequence[bytes], height: int, width: int) -> Arrays:
    """Returns inputs for each signature: the same images as files, as examples and as pixels."""
    decoded = [tf.image.resize(_decode(i), [height, width]) for i in images]
    return {
        "serving_default": {"image_bytes": images},
        "from_examples": {"examples": [example_of(image) for image in images]},
        "from_pixels": {"images": np.stack(decoded) / 127.5 - 1},
    }


def _decode(image: bytes) -> tf.Tensor:
    """Decodes a JPEG or PNG with the accurate DCT, which exported models also use."""
    return tf.io.decode_jpeg(image, channels=3, dct_method="INTEGER_ACCURATE")


def example_of(image: bytes) -> bytes:
    """Returns a serialized tf.Example with an encoded image."""
    features = tf.train.Features(feature={"image": feature(image)})
    return tf.train.Example(features=features).SerializeToString()


def answers_by_object_graph(directory: Any, inputs: Arrays) -> Arrays:
    """Loads a model with `tf.saved_model.load`; returns its outputs by signature."""
    signatures = tf.saved_model.load(str(directory)).signatures
    answers = {}
    for name, given in inputs.items():
        outputs = signatures[name](**{key: tf.constant(value) for key, value in given.items()})
        answers[name] = {key: value.numpy() for key, value in outputs.items()}
    return answers


def assert_same(answers: Arrays, expected: Arrays) -> None:
    """Asserts that outputs are the same: floats within 1e-5, other values exactly."""
    assert answers.keys() == expected.keys()
    for name, outputs in expected.items():
        assert answers[name].keys() == outputs.keys()
        for key, value in outputs.items():
            if value.dtype == np.float32:
                np.testing.assert_allclose(answers[name][key], value, rtol=0, atol=1e-5)
            else:
                np.testing.assert_array_equal(answers[name][key], value)
