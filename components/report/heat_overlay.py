"""Draws a heat map as a transparent image to show over a thumbnail, and describes it in words.

This module does not import TensorFlow, which takes seconds to import.
"""

import io
from collections.abc import Sequence

import numpy as np
import PIL.Image

_LONGEST = 80  # longer side of the overlay in pixels; browsers enlarge it with interpolation
# Matplotlib's colour scale "inferno", from dark violet to light yellow. The lightness of the scale
# increases evenly, so that colour-blind people can read the heat map.
_COLOURS = np.array(
    [[0, 0, 4], [66, 10, 104], [147, 38, 103], [221, 81, 58], [252, 165, 10], [252, 255, 164]]
)
_OPACITY = 0.45, 0.75  # opacity where the heat map is 0, and opacity where it is 1
_ROWS, _COLUMNS = ("top", "middle", "bottom"), ("left", "centre", "right")
_WARM_THRESHOLD = 0.6  # the least value that is called warm; the greatest value of a heat map is 1


def draw_overlay(values: Sequence[Sequence[float]], width: int, height: int) -> bytes:
    """Draws a heat map as a PNG with the proportions of a thumbnail.

    Args:
      values: the heat map, as rows of values in [0, 1].
      width: the width of the thumbnail, in pixels.
      height: the height of the thumbnail, in pixels.
    """
    factor = _LONGEST / max(width, height)
    size = max(1, round(width * factor)), max(1, round(height * factor))
    grid = PIL.Image.fromarray(np.asarray(values, np.float32))
    smooth = np.clip(np.asarray(grid.resize(size, PIL.Image.Resampling.BICUBIC)), 0, 1)
    # A PNG with 64 colours has a third of the size of a PNG with 256 colours, and looks the same.
    levels = PIL.Image.fromarray((smooth * 63).round().astype(np.uint8), "P")
    steps = np.linspace(0, len(_COLOURS) - 1, 64)
    palette = np.stack([np.interp(steps, range(len(_COLOURS)), c) for c in _COLOURS.T], 1)
    levels.putpalette(palette.round().astype(np.uint8).tobytes())
    file = io.BytesIO()
    opacities = (255 * np.linspace(*_OPACITY, 64)).astype(np.uint8).tobytes()
    levels.save(file, "PNG", optimize=True, bits=6, transparency=opacities)
    return file.getvalue()


def describe_map(values: Sequence[Sequence[float]]) -> str:
    """Names the warm cells of a 3 x 3 grid over the image, the warmest cell first.

    A cell is warm if its largest value is at least `_WARM_THRESHOLD`.
    """
    # Repeating each value in a block of 3 x 3 values makes the heat map divisible into 3 x 3 cells
    # of equal size.
    grid = np.kron(np.asarray(values, np.float64), np.ones([3, 3]))
    thirds = [
        (band.max(), f"{row} {column}" if row != "middle" or column != "centre" else "centre")
        for row, rows in zip(_ROWS, np.array_split(grid, 3, 0), strict=True)
        for column, band in zip(_COLUMNS, np.array_split(rows, 3, 1), strict=True)
    ]
    warm = [
        name
        for value, name in sorted(thirds, key=lambda third: -third[0])
        if value >= _WARM_THRESHOLD
    ]
    return f"warm at {', '.join(warm[:4])}{' and elsewhere' if len(warm) > 4 else ''}"
