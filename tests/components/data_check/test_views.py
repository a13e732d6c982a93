import numpy as np

from components.data_check.measure import measure_views
from components.data_check.near_duplicates import find_near_duplicates
from components.data_check.views import SIDE, VIEWS, ViewsFile
from tests.components.data_check.test_issues import draw, encode


def test_stored_views_are_those_of_the_image():
    made = [measure_views(encode(draw(seed))) for seed in (1, 2, 1)]
    with ViewsFile() as file:
        stored = [file.store(views.hashes, views.greys) for views in made[:2]]
        np.testing.assert_array_equal(stored[0].greys, made[0].greys)
        # `store` must append to the end of the file even after a read, such as that of
        # `stored[0].greys`.
        stored.append(file.store(made[2].hashes, made[2].greys))
        for views, expected in zip(stored, made, strict=True):
            assert views.greys.shape == (VIEWS, SIDE**2)
            np.testing.assert_array_equal(views.greys, expected.greys)
            np.testing.assert_array_equal(views.hashes, expected.hashes)
        assert find_near_duplicates(stored) == find_near_duplicates(made)
    assert [pair[:2] for pair in find_near_duplicates(made)] == [(0, 2)]


def test_a_tiny_image_has_no_views():
    assert measure_views(encode(draw(1, (31, 40)))) is None
