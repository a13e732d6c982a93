"""Fixtures for the tests of augmentation."""

import numpy as np
import PIL.Image
import pytest

from tests.conftest import gradient


@pytest.fixture(scope="package", params=["gradient", "blotches"])
def pil_image(request) -> PIL.Image.Image:
    """Returns an RGB image of 64 x 48 pixels: a gradient, or random blotches with many edges."""
    if request.param == "gradient":
        return gradient(48, 64)
    values = np.random.default_rng(0).integers(20, 220, [6, 8, 3], np.uint8)
    return PIL.Image.fromarray(values).resize((64, 48), PIL.Image.Resampling.BICUBIC)
