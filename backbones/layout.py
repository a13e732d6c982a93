"""Finds the names of a backbone's variables if the SavedModel does not contain them."""

import dataclasses
import math
from collections.abc import Iterable, Sequence

from backbones.augreg.architecture import Shape
from backbones.catalogue import MODELS

_NAMELESS = "Variable"


@dataclasses.dataclass(frozen=True)
class Layout:
    """The names of a backbone's variables in the checkpoint from which the backbone was made.

    Attributes:
      stored: the name of each variable, in the order in which the SavedModel lists its variables.
      forward: the names in `stored`, in the order in which the forward pass uses the variables.
    """

    stored: tuple[str, ...]
    forward: tuple[str, ...]


def find_layout(variables: Sequence[tuple[str, Shape]]) -> Layout | None:
    """Finds the catalogue model whose variables have the given shapes; returns its layout.

    JAX's jax2tf wrote the SavedModels of the TF-Hub collection, and saved their variables without
    names (github.com/sayakpaul/ViT-jax2tf, conversion.ipynb). The function therefore recognises a
    model of the collection by the shapes of its variables.

    Args:
      variables: the name in TensorFlow, without `:0`, and the shape of each variable.

    Returns:
      The layout of the model that was found. The result is None if the variables already have
      names, or if no model of the catalogue has variables of the given shapes.
    """
    if any(name != _NAMELESS for name, _ in variables):
        return None
    shapes = _drop_axes_of_one([shape for _, shape in variables])
    for model in MODELS.values():
        expected = model.architecture.array_shapes()
        names = _sort_like_jax(expected)
        if shapes == _drop_axes_of_one([expected[name] for name in names]):
            return Layout(stored=tuple(names), forward=tuple(expected))
    return None


def _sort_like_jax(names: Iterable[str]) -> list[str]:
    """Sorts names as JAX sorts a parameter tree: by their components, which slashes separate."""
    return sorted(names, key=lambda name: name.split("/"))


def _drop_axes_of_one(shapes: Sequence[Shape]) -> list[Shape]:
    """Reduces shapes like [1, 1, 1, C] to [C]: GroupNorm parameters may have either shape."""
    return [shape[-1:] if math.prod(shape[:-1]) == 1 else shape for shape in shapes]
