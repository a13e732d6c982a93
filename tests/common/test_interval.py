import pytest
import scipy.stats

from common.interval import wilson_interval


@pytest.mark.parametrize(("hits", "images"), [(10, 20), (0, 10), (10, 10), (42009, 50000)])
def test_confidence_interval(hits, images):
    expected = scipy.stats.binomtest(hits, images).proportion_ci(method="wilson")
    assert wilson_interval(hits, images) == pytest.approx(expected, abs=1e-6)
