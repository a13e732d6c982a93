import pytest
import scipy.stats

from common.interval import images_needed, wilson_interval, wilson_lower_bound


@pytest.mark.parametrize(("hits", "images"), [(10, 20), (0, 10), (10, 10), (42009, 50000)])
def test_confidence_interval(hits, images):
    expected = scipy.stats.binomtest(hits, images).proportion_ci(method="wilson")
    assert wilson_interval(hits, images) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("confidence", [0.5, 0.9, 0.95, 0.99])
@pytest.mark.parametrize(("hits", "images"), [(10, 20), (0, 10), (10, 10), (361, 367)])
def test_lower_bound(hits, images, confidence):
    test = scipy.stats.binomtest(hits, images, alternative="greater")
    expected = test.proportion_ci(confidence, method="wilson").low
    assert wilson_lower_bound(hits, images, confidence) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("confidence", [0.8, 0.95, 0.999])
@pytest.mark.parametrize("floor", [0.1, 0.5, 0.9, 0.99])
def test_number_of_images_that_a_limit_needs(floor, confidence):
    needed = images_needed(floor, confidence)
    assert wilson_lower_bound(needed, needed, confidence) >= floor
    assert needed == 1 or wilson_lower_bound(needed - 1, needed - 1, confidence) < floor


def test_images_needed_for_limits_of_0_and_1():
    assert images_needed(1.0, 0.95) is None
    assert images_needed(1.0, 0.0) == images_needed(0.0, 0.95) == 1
