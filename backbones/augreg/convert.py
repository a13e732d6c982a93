"""Converts a checkpoint to a SavedModel."""

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import get_args

import numpy as np

from backbones.augreg.architecture import Architecture, Precision, Task
from backbones.augreg.checkpoint import infer_architecture, published_layout
from backbones.augreg.npz import CheckpointError
from backbones.augreg.position_embedding import resize_position_embedding
from common.errors import InputError


def convert(
    arrays: Mapping[str, np.ndarray],
    directory: str | os.PathLike[str],
    *,
    task: Task = "fe",
    image_size: int | None = None,
    precision: Precision = "float32",
) -> Architecture:
    """Writes a checkpoint as a SavedModel with TF-Hub's reusable interface.

    Every array becomes a float32 variable of the same name, shape and value, with two exceptions: a
    feature extractor has no head, and if `image_size` differs from the image size of the
    checkpoint, the position embeddings are resized.

    Args:
      arrays: float32 arrays by name, as `load_checkpoint` or `random_arrays` returns them.
        This function does not look for NaN and infinite values, because `load_checkpoint` has
        already refused them, and a second check of up to 1.3 GB of arrays would take long.
      directory: the directory to write, which does not exist yet or is empty. If writing fails, the
        directory contains no incomplete SavedModel.
      task: "fe" for a feature extractor, "classification" for a classifier. A feature extractor
        returns float32 `[B, feature_width]`: the class token after the encoder's last normalisation
        and, in a model with the layer `pre_logits`, after this layer. A classifier returns logits,
        float32 `[B, classes]`.
      image_size: height and width of the images in pixels; if None, the size with which the
        checkpoint was trained.
      precision: "float32", "mixed_bfloat16" or "mixed_float16". In mixed precision, variables,
        images and outputs stay float32, but convolutions and the encoder's matrix products are
        computed in 16 bits.

    Returns:
      The architecture of the written model.

    Raises:
      CheckpointError: the arrays are not those of an AugReg checkpoint, or have no head although
        `task` is "classification".
      InputError: the directory is not empty, or the image size does not fit the patches.
    """
    if task not in get_args(Task) or precision not in get_args(Precision):
        raise ValueError(f"{task=}, {precision=}: expected {get_args(Task)}, {get_args(Precision)}")
    directory = Path(directory)
    if directory.exists() and not _is_empty(directory):
        raise InputError(f"{directory}: is not an empty directory; remove it or choose another")
    arrays = published_layout(arrays)
    architecture = _converted_architecture(infer_architecture(arrays), task, image_size)
    name = "Transformer/posembed_input/pos_embedding"
    try:
        arrays[name] = resize_position_embedding(arrays[name], architecture.grid_size)
    except (MemoryError, ValueError) as error:  # NumPy raises ValueError for an impossible size
        raise InputError(
            f"image size {image_size}: {architecture.tokens:,} position embeddings do not fit into "
            "memory; expected a smaller size"
        ) from error

    # Import TensorFlow, which takes seconds, only after the checks, so that the user sees errors
    # quickly.
    import tensorflow as tf

    from backbones.augreg.saved_model import write_saved_model
    from backbones.augreg.vit import VisionTransformer

    compute_dtype = tf.as_dtype(precision.removeprefix("mixed_"))
    model = VisionTransformer(architecture, arrays, compute_dtype=compute_dtype)
    write_saved_model(model, directory)
    return architecture


def _converted_architecture(
    architecture: Architecture, task: Task, image_size: int | None
) -> Architecture:
    if task == "classification" and architecture.classes is None:
        raise CheckpointError(
            "array 'head/kernel' is missing; expected a head, which a classifier needs; convert "
            "the checkpoint as a feature extractor (task fe)"
        )
    return replace(
        architecture,
        classes=architecture.classes if task == "classification" else None,
        image_size=architecture.image_size if image_size is None else image_size,
    )


def _is_empty(directory: Path) -> bool:
    return directory.is_dir() and not any(directory.iterdir())
