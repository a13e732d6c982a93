"""The names of a restored backbone's variables, on which layer decay and weight decay depend."""

from typing import Any

import tensorflow as tf

from backbones.layout import find_layout


def named_variables(backbone: Any) -> list[tuple[str, tf.Variable]]:
    """Returns all variables of a backbone with their names, such as `block_1/kernel`.

    Variables without names are identified by their shapes, if these are the shapes of a catalogue
    model. Variables without names get the names of the catalogue model's checkpoint, in the order
    of the forward pass.

    Args:
      backbone: a restored object that keeps the contract of `backbones.contract`.
    """
    named = [(variable.name.removesuffix(":0"), variable) for variable in backbone.variables]
    layout = find_layout([(name, tuple(variable.shape)) for name, variable in named])
    if layout is None:
        return named
    found = dict(zip(layout.stored, backbone.variables, strict=True))
    return [(name, found[name]) for name in layout.forward]
