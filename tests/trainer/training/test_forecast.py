import logging

import pytest

from trainer.training.forecast import Forecaster


@pytest.fixture
def forecast(caplog):
    """Returns a function that simulates a training with batch size 32, and returns the logged
    forecasts."""

    def forecast(durations, *, tune="full", is_on_cpu=True, total=735):
        caplog.clear()
        forecaster = Forecaster(
            tune=tune, examples=2350, devices="2 CPU cores", is_on_cpu=is_on_cpu
        )
        with caplog.at_level(logging.INFO, "trainer.training.forecast"):
            for step, seconds in enumerate(durations, 2):
                forecaster.add(1, seconds, batch_size=32, steps_left=total - step)
        return caplog.messages

    return forecast


def test_full_tuning_on_a_cpu(forecast):
    # With --tune full, the training goes through the remaining 23,424 images at 2 images/s. With
    # --tune head, the backbone processes each of the 2,350 images only once, at 6 images/s.
    (line,) = forecast([16.0, 16.0, 16.0, 16.0])
    assert line == (
        "training takes about 3 h 15 min on 2 CPU cores: 23,424 images at 2 images/s; without a "
        "GPU, --tune head is faster: about 7 min, since each image goes through the backbone only "
        "once"
    )


@pytest.mark.parametrize("changes", [{"tune": "head"}, {"is_on_cpu": False}, {"total": 40}])
def test_where_a_head_is_no_better_choice(forecast, changes):
    (line,) = forecast([16.0, 16.0, 16.0], **changes)
    assert line.startswith("training takes about ")
    assert "head" not in line


def test_the_speed_is_that_of_several_steps_unless_they_are_slow(forecast):
    assert forecast([1.0, 1.0]) == []
    assert "at 32 images/s" in forecast([0.5, 0.5, 2.0, 9.0])[0]
    assert "at 0.32 images/s" in forecast([100.0])[0]


def test_a_short_training_needs_no_forecast(forecast):
    assert forecast([0.01, 0.01, 0.01, 0.01]) == []
