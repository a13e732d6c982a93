"""Reads AugReg checkpoints, converts them to the published layout, and checks every array."""

import math
import os
import re
from collections.abc import Mapping

import numpy as np

from backbones.augreg.architecture import Architecture, Shape, patch_stride
from backbones.augreg.npz import CheckpointError, read_npz
from common.errors import InputError

Arrays = Mapping[str, np.ndarray]

_BLOCK = r"Transformer/encoderblock_\d+"

# Names of layers in an encoder block: each key is a name in the current code of
# google-research/vision_transformer, and its value is the name of the same layer in the published
# checkpoints.
_PUBLISHED_PARTS = {
    "LayerNorm_1": "LayerNorm_2",
    "MultiHeadDotProductAttention_0": "MultiHeadDotProductAttention_1",
    "MlpBlock_0": "MlpBlock_3",
}

_ADVICE = "use an AugReg checkpoint, complete and as published"


def load_checkpoint(path: str | os.PathLike[str]) -> dict[str, np.ndarray]:
    """Reads a checkpoint.

    Args:
      path: an `.npz` file such as those in `gs://vit_models/augreg`.

    Returns:
      float32 arrays by name, in the layout that `published_layout` describes.

    Raises:
      CheckpointError: the file cannot be read, is not a checkpoint of the AugReg family, or
        contains NaN or infinite values.
    """
    arrays = read_npz(path)
    try:
        published = published_layout(arrays)
        for name, array in published.items():
            _check_values(name, array)
        return published
    except CheckpointError as error:
        raise CheckpointError(f"{path}: {error}") from error


def published_layout(arrays: Arrays) -> dict[str, np.ndarray]:
    """Returns a checkpoint's arrays with the names and shapes of the published checkpoints.

    Checkpoints from the current code of google-research/vision_transformer differ from the
    published checkpoints in two ways: some layers of the encoder blocks have other names, and
    GroupNorm parameters have the shape `(C,)` instead of `(1, 1, 1, C)`. This function changes
    names and shapes of arrays, but not their values.

    Returns:
      float32 arrays by name; the names are exactly those of
      `infer_architecture(...).array_shapes()`.

    Raises:
      CheckpointError: an array is missing, unexpected or not float32, or its shape does not fit the
        other arrays.
    """
    published = {}
    for name, array in arrays.items():
        published_name = _published_name(name)
        # Do not rename an array if the checkpoint already has an array with the published name,
        # because one array would overwrite the other. `_check_names` later raises an error for the
        # array that was not renamed.
        if published_name in arrays:
            published_name = name
        published[published_name] = _published_shape(name, array)
    shapes = infer_architecture(published).array_shapes()
    _check_names(published, shapes)
    for name, shape in shapes.items():
        _check_array(name, published[name], shape)
    return {name: published[name] for name in shapes}


def infer_architecture(arrays: Arrays) -> Architecture:
    """Infers the architecture from the shapes of arrays in the published layout.

    The function reads each size from one array, and counts blocks and units by their names.
    `published_layout` then compares the shapes of all arrays with those of the architecture.

    Raises:
      CheckpointError: an array that determines a size is missing, or a size is impossible.
    """
    block = "Transformer/encoderblock_0"
    patch_size = _size(arrays, "embedding/kernel", 0)
    resnet_blocks, width_factor = None, 1.0
    if _count(arrays, r"(conv_root|gn_root|block\d+)/.+"):
        resnet_blocks = _resnet_blocks(arrays)
        width_factor = _size(arrays, "gn_root/scale", 3) / 64
    has_representation = _count(arrays, "(pre_logits)/.+") > 0
    has_head = _count(arrays, "(head)/.+") > 0
    try:
        return Architecture(
            image_size=_grid_size(arrays) * patch_stride(patch_size, resnet_blocks),
            patch_size=patch_size,
            width=_size(arrays, "Transformer/encoder_norm/scale", 0),
            depth=_count(arrays, r"Transformer/encoderblock_(\d+)/.+"),
            heads=_size(arrays, f"{block}/MultiHeadDotProductAttention_1/query/bias", 0),
            mlp_dim=_size(arrays, f"{block}/MlpBlock_3/Dense_0/bias", 0),
            resnet_blocks=resnet_blocks,
            width_factor=width_factor,
            representation_size=_size(arrays, "pre_logits/bias", 0) if has_representation else None,
            classes=_size(arrays, "head/bias", 0) if has_head else None,
        )
    except CheckpointError:
        raise
    except InputError as error:
        raise CheckpointError(f"{error}; {_ADVICE}") from error


def _published_name(name: str) -> str:
    match = re.fullmatch(rf"({_BLOCK})/(\w+)/(.+)", name)
    if match is None:
        return name
    block, part, rest = match.groups()
    return f"{block}/{_PUBLISHED_PARTS.get(part, part)}/{rest}"


def _published_shape(name: str, array: np.ndarray) -> np.ndarray:
    is_group_norm = re.fullmatch(r"(.+/)?gn(_root|_proj|\d)/(scale|bias)", name)
    return array.reshape(1, 1, 1, -1) if is_group_norm and array.ndim == 1 else array


def _resnet_blocks(arrays: Arrays) -> tuple[int, ...]:
    blocks = _count(arrays, r"block(\d+)/.+")
    return tuple(_count(arrays, rf"block{block}/unit(\d+)/.+") for block in range(1, blocks + 1))


def _grid_size(arrays: Arrays) -> int:
    name = "Transformer/posembed_input/pos_embedding"
    positions = _size(arrays, name, 1)
    grid_size = math.isqrt(max(positions - 1, 0))
    if grid_size == 0 or positions != 1 + grid_size**2:
        raise CheckpointError(
            f"array {name!r} has {positions} positions, expected 1 for the class token and a "
            f"square number for the patches; {_ADVICE}"
        )
    return grid_size


def _count(arrays: Arrays, pattern: str) -> int:
    """Counts the distinct strings that the group of `pattern` captures in the array names."""
    matches = (re.fullmatch(pattern, name) for name in arrays)
    return len({match[1] for match in matches if match})


def _size(arrays: Arrays, name: str, axis: int) -> int:
    """Returns the size of one axis of the array `name`."""
    array = arrays.get(name)
    if array is None or array.ndim <= axis or array.size == 0:
        raise CheckpointError(f"array {name!r} is missing, empty or has too few axes; {_ADVICE}")
    return array.shape[axis]


def _check_names(arrays: Arrays, shapes: Mapping[str, Shape]) -> None:
    problems = [
        f"{_describe_names(names)} {problem}"
        for names, problem in (
            ([name for name in shapes if name not in arrays], "missing"),
            ([name for name in arrays if name not in shapes], "unexpected"),
        )
        if names
    ]
    if problems:
        raise CheckpointError(f"{' and '.join(problems)}; {_ADVICE}")


def _describe_names(names: list[str]) -> str:
    others = f" (and {len(names) - 1} more)" if len(names) > 1 else ""
    return f"array {names[0]!r}{others} is"


def _check_array(name: str, array: np.ndarray, shape: Shape) -> None:
    if array.shape != shape:
        raise CheckpointError(
            f"array {name!r} has shape {array.shape}, expected {shape} to fit the other arrays; "
            f"{_ADVICE}"
        )
    if array.dtype != np.float32:
        raise CheckpointError(f"array {name!r} is {array.dtype}, expected float32; cast it")


def _check_values(name: str, array: np.ndarray) -> None:
    if not np.isfinite(array).all():
        count = np.count_nonzero(~np.isfinite(array))
        raise CheckpointError(
            f"array {name!r} has {count} values that are NaN or infinite; expected finite "
            f"numbers; {_ADVICE}"
        )
