"""What the tests of augmentation share."""

import numpy as np
import PIL.Image
import pytest

from tests.conftest import gradient


@pytest.fixture(scope="package", params=["gradient", "blotches"])
def pil_image(request) -> PIL.Image.Image:
    """Returns a small RGB image, not square: smooth, or with all values and edges in all
    directions.
    """
    if request.param == "gradient":
        return gradient(48, 64)
    values = np.random.default_rng(0).integers(20, 220, [6, 8, 3], np.uint8)
    return PIL.Image.fromarray(values).resize((64, 48), PIL.Image.Resampling.BICUBIC)
