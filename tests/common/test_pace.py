import pytest

from common.pace import PaceMeter


def follow(total, counts):
    """Returns the estimated pace after each count of images; the counts are one second apart."""
    meter = PaceMeter(total)
    return [meter.add(float(now), done) for now, done in enumerate(counts)]


def test_the_time_that_loading_takes_does_not_count():
    # One image is counted, then a model is loaded for 30 s, and then 5 images are counted per
    # second.
    counts = [0, 0, *[1] * 30, *range(6, 1000, 5)]
    paces = follow(1000, counts)
    assert all(pace is None for pace in paces[:33])
    a_tenth = counts.index(101)
    assert paces[a_tenth].images_per_second == pytest.approx(5)
    assert paces[a_tenth].seconds_left == pytest.approx(899 / 5)


def test_the_pace_follows_a_change_of_speed():
    paces = follow(2000, [*range(0, 500, 10), *range(500, 2000, 2)])
    assert paces[49].images_per_second == pytest.approx(10)
    assert paces[-1].images_per_second == pytest.approx(2)


def test_no_time_is_left_of_more_images_than_expected():
    assert follow(5, range(20))[-1].seconds_left == 0
