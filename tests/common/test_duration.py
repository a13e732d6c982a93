import pytest

from common.duration import describe_duration


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [(0.04, "0.0 s"), (9.96, "10.0 s"), (48, "48 s"), (720, "12 min"), (12000, "3 h 20 min")],
)
def test_durations(seconds, expected):
    assert describe_duration(seconds) == expected
