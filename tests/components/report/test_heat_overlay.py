"""Tests of the images and the words with which a report shows heat maps."""

import io

import numpy as np
import PIL.Image
import pytest

from components.report.heat_overlay import describe_map, draw_overlay

CORNER = np.zeros([8, 8])
CORNER[:2, 6:] = 1


def test_an_overlay_has_the_proportions_of_the_thumbnail_and_is_lightest_where_it_is_warm():
    image = PIL.Image.open(io.BytesIO(draw_overlay(CORNER, 240, 120)))
    assert image.size == (80, 40)
    pixels = np.asarray(image.convert("RGBA"), int)
    assert pixels[3, 76, :3].sum() > 600
    assert pixels[35, 5, :3].sum() < 50
    assert 100 < pixels[35, 5, 3] < pixels[3, 76, 3] < 200


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (CORNER, "warm at top right"),
        (CORNER[::-1, ::-1] + 0.7 * CORNER, "warm at bottom left, top right"),
        (np.ones([3, 3]), "warm at top left, top centre, top right, middle left and elsewhere"),
        ([[0, 0, 0], [0, 1, 0], [0, 0, 0]], "warm at centre"),
    ],
)
def test_the_warm_parts_in_words(values, expected):
    assert describe_map(values) == expected
