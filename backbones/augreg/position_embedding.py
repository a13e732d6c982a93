"""Resizes position embeddings for another number of patches."""

import numpy as np


def resize_position_embedding(embedding: np.ndarray, grid_size: int) -> np.ndarray:
    """Interpolates position embeddings for images of another size (arXiv 2010.11929, section 3.2).

    The interpolation is bilinear, with the corners of both grids aligned, as in
    `interpolate_posembed` of `vit_jax/checkpoint.py`, which uses `scipy.ndimage.zoom(order=1)`. The
    embedding of the class token is not changed.

    Args:
      embedding: float32 `[1, 1 + old_grid_size**2, width]`; the class token comes first.
      grid_size: number of patches along each side of the new images.

    Returns:
      float32 `[1, 1 + grid_size**2, width]`.
    """
    _, tokens, width = embedding.shape
    old_grid_size = round((tokens - 1) ** 0.5)
    if grid_size == old_grid_size:
        return embedding
    class_token, grid = embedding[:, :1], embedding[0, 1:]
    grid = grid.reshape(old_grid_size, old_grid_size, width)
    weights = _interpolation(old_grid_size, grid_size)
    grid = np.einsum("yh,xw,hwd->yxd", weights, weights, grid, optimize=True)
    grid = grid.reshape(1, grid_size**2, width).astype(np.float32)
    return np.concatenate([class_token, grid], axis=1)


def _interpolation(old_size: int, new_size: int) -> np.ndarray:
    """Returns a matrix that interpolates linearly along an axis, float64 `[new_size, old_size]`."""
    positions = np.linspace(0, old_size - 1, new_size)
    distances = np.abs(positions[:, None] - np.arange(old_size))
    return np.maximum(1 - distances, 0)
