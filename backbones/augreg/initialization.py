"""Creates randomly initialised checkpoints."""

import math

import numpy as np

from backbones.augreg.architecture import Architecture, Shape


def random_arrays(architecture: Architecture, seed: int) -> dict[str, np.ndarray]:
    """Returns the arrays of an untrained model, initialised as AugReg's models were.

    The initial values have the same distributions as in google-research/vision_transformer
    (`vit_jax/models_vit.py` and `vit_jax/models_resnet.py`). The kernels of convolutions and of
    `pre_logits` are LeCun normal (truncated at two standard deviations). The kernels of attention
    and of the MLP are Xavier uniform. Position embeddings are normal with standard deviation 0.02.
    The class token, the biases and the kernel of the head are 0. The scales of normalisation layers
    are 1, with one exception: in each residual unit of a ResNet, the scale of the third GroupNorm
    is 0.

    Args:
      architecture: the architecture of the model.
      seed: the seed; the same seed gives the same arrays.

    Returns:
      float32 arrays by name, for every name in `architecture.array_shapes()`.
    """
    generator = np.random.default_rng(seed)
    return {
        name: _random_array(name, shape, generator)
        for name, shape in architecture.array_shapes().items()
    }


def _random_array(name: str, shape: Shape, generator: np.random.Generator) -> np.ndarray:
    if name.endswith("/pos_embedding"):
        return np.float32(0.02) * generator.standard_normal(shape, np.float32)
    if name.endswith(("cls", "/bias", "/gn3/scale", "head/kernel")):
        return np.zeros(shape, np.float32)
    if name.endswith("/scale"):
        return np.ones(shape, np.float32)
    if "/encoderblock_" in name:
        # In an attention layer, the kernel `out` has two input axes: the heads, and the features of
        # a head. Every other kernel of an encoder block has one input axis.
        input_axes = 2 if name.endswith("/out/kernel") else 1
        return _xavier_uniform(shape, math.prod(shape[:input_axes]), generator)
    return _lecun_normal(shape, generator)


def _xavier_uniform(shape: Shape, inputs: int, generator: np.random.Generator) -> np.ndarray:
    outputs = math.prod(shape) // inputs
    limit = math.sqrt(6 / (inputs + outputs))
    return np.float32(limit) * (2 * generator.random(shape, np.float32) - 1)


def _lecun_normal(shape: Shape, generator: np.random.Generator) -> np.ndarray:
    samples = generator.standard_normal(shape, np.float32)
    while (outside := np.abs(samples) > 2).any():
        samples[outside] = generator.standard_normal(np.count_nonzero(outside), np.float32)
    # Divide by 0.8796…, the standard deviation of a standard normal distribution that is truncated
    # at ±2.
    deviation = math.sqrt(1 / math.prod(shape[:-1])) / 0.87962566103423978
    return np.float32(deviation) * samples
