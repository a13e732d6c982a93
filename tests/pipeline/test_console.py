import io

import pytest

from pipeline.config import Setting, build_config
from pipeline.console import Console
from pipeline.report import Report


@pytest.fixture
def streams():
    return io.StringIO(), io.StringIO()


def report(**changes):
    values = {
        "accuracy": 0.87,
        "test_images": 100,
        "blessed": True,
        "reasons": (),
        "pushed_to": "/serving/1",
        "images": {"read": 10, "train": 6, "validation": 2, "test": 1, "quarantine": 1},
        "quarantine": "/examples/quarantine.jsonl",
        "anomalies": ("train: label: Unexpected values",),
        "artifacts": {"Trainer.model": "/root/" + "long/" * 60},
    }
    return Report(**values | changes)


def test_piped_output_is_one_plain_unwrapped_line_an_entry(streams):
    console = Console(*streams)
    settings = {"model": "vit_b16_fe", "pipeline_root": "/" + "deep/" * 60}
    config = build_config({key: Setting(value, key) for key, value in settings.items()})
    console.plan(config, "/log")
    with console.live():
        console.node_started("Trainer")
        console.progress(1, 10, {"loss": 2.0})
        console.node_finished("Trainer", cached=False)
        console.node_started("Pusher")
        console.node_finished("Pusher", cached=True)
    console.summary(report())
    text = streams[0].getvalue()
    assert "\x1b" not in text
    lines = text.splitlines()
    assert any(line.endswith("deep/" * 59 + "deep") for line in lines)
    assert any(line.startswith("Trainer: done in") for line in lines)
    assert "Pusher: cached" in lines
    assert lines[-6:] == [
        "images: 10 read: 6 train, 2 validation, 1 test, 1 quarantined",
        "quarantined images: see /examples/quarantine.jsonl",
        "anomaly: train: label: Unexpected values",
        "test accuracy: 0.8700 on 100 images",
        "verdict: blessed",
        "pushed to: /serving/1",
    ]


def test_progress_is_shown_at_most_ten_times(streams):
    console = Console(*streams)
    console.node_started("Trainer")
    for step in range(1, 1001):
        console.progress(step, 1000, {"loss": 1.0})
    assert streams[0].getvalue().count("of 1000") == 10


def test_a_model_that_was_not_blessed(streams):
    reasons = ("accuracy 0.8700 is 0.0300 below 0.9000", "recall of roses 0.5 is 0.1 below 0.6")
    Console(*streams).summary(report(blessed=False, reasons=reasons, pushed_to=None))
    lines = streams[0].getvalue().splitlines()
    assert lines[-2] == f"verdict: not blessed: {reasons[0]}; {reasons[1]}"
    assert lines[-1] == "pushed to: nothing was pushed"


def test_text_is_not_taken_for_markup(streams):
    Console(*streams).line("[red]/path[/red] [1]")
    assert streams[0].getvalue() == "[red]/path[/red] [1]\n"


def test_errors_go_to_stderr(streams):
    console = Console(*streams)
    console.node_started("Trainer")
    console.node_failed("Trainer")
    assert "Trainer: failed after" in streams[1].getvalue()
