import sys

import pytest

from benchmarks.sides.process import Side, SideError, time_turns

SIDE = """
import sys, time
from benchmarks.sides.process import serve

def run(name, steps):
    print("a library prints")
    return {"seconds": 0.001 * steps}

def fail():
    raise ValueError("no memory\\nin the second line")

def sleep():
    time.sleep(60)

def end():
    sys.exit(3)

serve({"run": run, "fail": fail, "sleep": sleep, "end": end}, ValueError)
"""


@pytest.fixture
def side():
    with Side("a framework", [sys.executable, "-c", SIDE]) as side:
        yield side


def test_a_turn_measures_the_time_of_a_step(side):
    """`time_turns` runs as many steps as fit into `seconds`, and returns the seconds per step."""
    ((first, second),) = time_turns([side], "steps", rounds=2, seconds=0.02)
    assert first == second == pytest.approx(0.001)


def test_a_failure_is_one_line_and_the_process_continues(side):
    with pytest.raises(SideError, match="a framework: ValueError: no memory in the second line"):
        side.ask("fail")
    assert side.ask("run", name="steps", steps=2) == {"seconds": 0.002}
    assert side.is_running


def test_a_process_that_ends(side):
    with pytest.raises(SideError, match="a framework process ended with status 3"):
        side.ask("end")
    assert not side.is_running


def test_a_process_that_does_not_reply_is_ended(side):
    side.ask("run", name="steps", steps=1)
    with pytest.raises(SideError, match="a framework did not reply to 'sleep' within 0 s"):
        side.ask("sleep", timeout=0.2)
    assert not side.is_running
