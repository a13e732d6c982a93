"""Finds the names of a backbone's variables.

Layer decay and weight decay depend on the names of the variables.
"""

from typing import Any

import tensorflow as tf

from backbones.layout import find_layout


def named_variables(backbone: Any) -> list[tuple[str, tf.Variable]]:
    """Returns all variables of a backbone with their names, such as `block_1/kernel`.

    Some SavedModels store variables without names. If the shapes of unnamed variables match a model
    in `backbones.catalogue`, the names come from that model's original checkpoint, and the
    variables are returned in the order of the forward pass.

    Args:
      backbone: a restored SavedModel with the interface that `backbones.contract` describes.
    """
    named = [(variable.name.removesuffix(":0"), variable) for variable in backbone.variables]
    layout = find_layout([(name, tuple(variable.shape)) for name, variable in named])
    if layout is None:
        return named
    found = dict(zip(layout.stored, backbone.variables, strict=True))
    return [(name, found[name]) for name in layout.forward]
