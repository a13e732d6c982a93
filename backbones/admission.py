"""Checks a SavedModel that this project did not write, before it is kept or used.

Nodes of the pipeline must not import this module. A node runs again after a change to any module
that it imports, but a change to the checks in this module should not make a node run again.
"""

from pathlib import Path

from backbones.contract import Shapes, load_backbone, read_shapes
from backbones.program import check_operations


def check_backbone(directory: str | Path, *, trusted: bool = False) -> Shapes:
    """Checks that the SavedModel in `directory` satisfies the contract, and loads it once.

    When TensorFlow loads a SavedModel, it verifies the checksums of the variables. A damaged or
    incomplete SavedModel is therefore refused before a run starts, and before a downloaded archive
    is kept.

    Args:
      directory: the directory of the SavedModel.
      trusted: whether the graph of the SavedModel may contain operations that access files, the
        network or Python (see `backbones.program`).

    Raises:
      InputError: the SavedModel does not satisfy the contract, its graph contains forbidden
        operations, or it cannot be loaded.
    """
    shapes = read_shapes(directory)
    if not trusted:
        check_operations(directory)
    load_backbone(directory)
    return shapes
