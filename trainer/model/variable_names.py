"""The names of a restored backbone's variables, which layer decay and weight decay depend on."""

import math
from collections.abc import Iterable, Sequence
from typing import Any

import tensorflow as tf

from backbones.augreg.architecture import Shape
from backbones.catalogue import MODELS

_NAMELESS = "Variable:0"


def named_variables(backbone: Any) -> list[tuple[str, tf.Variable]]:
    """All variables of a backbone with their names, such as `block_1/kernel`.

    The SavedModels of the collection were written by JAX's jax2tf, with a flat list of variables
    that have no names (github.com/sayakpaul/ViT-jax2tf, conversion.ipynb). They are
    recognised by their shapes, and returned as for a checkpoint that this project converts: with
    the checkpoint's names, in the order of the forward pass.

    Args:
      backbone: a restored object that keeps the contract of `backbones.contract`.
    """
    variables = list(backbone.variables)
    if all(variable.name == _NAMELESS for variable in variables):
        shapes = [tuple(variable.shape) for variable in variables]
        for model in MODELS.values():
            expected = model.architecture.array_shapes()
            names = _in_order_of_jax(expected)
            if _without_ones(shapes) == _without_ones([expected[name] for name in names]):
                found = dict(zip(names, variables, strict=True))
                return [(name, found[name]) for name in expected]
    return [(variable.name.removesuffix(":0"), variable) for variable in variables]


def _in_order_of_jax(names: Iterable[str]) -> list[str]:
    """Returns the order in which JAX flattens a tree of parameters: by the names of each level."""
    return sorted(names, key=lambda name: name.split("/"))


def _without_ones(shapes: Sequence[Shape]) -> list[Shape]:
    """Drops axes of length 1: group norms have [C] in some checkpoints, [1, 1, 1, C] in others."""
    return [shape[-1:] if math.prod(shape[:-1]) == 1 else shape for shape in shapes]
