"""Computes heat maps of any model, by covering parts of each image.

The method is from Zeiler and Fergus, arXiv 1311.2901.
"""

from collections.abc import Callable, Iterator

import numpy as np

_CELLS = 8  # number of cells on a side of the heat map
_WINDOW = 2  # number of cells on a side of the covered part
_BATCH = 8  # images

# A function from images, float32 [B, H, W, 3] in [-1, 1], to probabilities, float32 [B, C].
ToProbabilities = Callable[[np.ndarray], np.ndarray]


class OcclusionMaps:
    """Makes heat maps with 50 forward passes for each image."""

    def __init__(self, to_probabilities: ToProbabilities, check_time: Callable[[], None]) -> None:
        """
        Args:
          to_probabilities: the model, as a function from images to probabilities.
          check_time: a function that is called before each batch, and may raise an exception to end
            the computation.
        """
        self._to_probabilities = to_probabilities
        self._check_time = check_time

    def __call__(self, image: np.ndarray, answer: int) -> np.ndarray:
        """Makes the heat map of the class `answer`.

        Args:
          image: float32 [H, W, 3] in [-1, 1].
          answer: index of the predicted class.

        Returns:
          float [8, 8], a value for each cell: the fall of the log odds of the class if a window is
          covered with the image's mean colour, as the mean over all windows that contain the cell,
          or 0 if the mean is negative.
        """
        windows = [(y, x) for y in range(_CELLS - _WINDOW + 1) for x in range(_CELLS - _WINDOW + 1)]
        odds = np.array(
            list(
                self._compute_log_odds(
                    [image, *(_cover_window(image, *w) for w in windows)], answer
                )
            )
        )
        falls, covers = np.zeros([_CELLS, _CELLS]), np.zeros([_CELLS, _CELLS])
        for (y, x), value in zip(windows, odds[1:], strict=True):
            cells = slice(y, y + _WINDOW), slice(x, x + _WINDOW)
            falls[cells] += odds[0] - value
            covers[cells] += 1
        return np.maximum(falls / covers, 0)

    def _compute_log_odds(self, images: list[np.ndarray], answer: int) -> Iterator[float]:
        """Yields the log odds of the class `answer` for each of `images`."""
        for start in range(0, len(images), _BATCH):
            self._check_time()
            probabilities = self._to_probabilities(np.stack(images[start : start + _BATCH]))
            others = np.delete(probabilities, answer, axis=1).sum(1)
            smallest = np.finfo(np.float32).tiny
            yield from (
                np.log(np.maximum(probabilities[:, answer], smallest))
                - np.log(np.maximum(others, smallest))
            ).tolist()


def _cover_window(image: np.ndarray, row: int, column: int) -> np.ndarray:
    """Returns the image with one window covered by the image's mean colour.

    `row` and `column` are the position of the window's upper left cell.
    """
    height, width, _ = image.shape
    covered = image.copy()
    rows = slice(row * height // _CELLS, (row + _WINDOW) * height // _CELLS)
    columns = slice(column * width // _CELLS, (column + _WINDOW) * width // _CELLS)
    covered[rows, columns] = image.mean((0, 1))
    return covered
