import dataclasses
import io
import logging
import re
import time

import pytest

import common.lock
from backbones.download import Download
from common.pace import Pace
from components.model_evaluator.comparison import Comparison
from components.model_evaluator.limits import Limit
from components.model_evaluator.verdict import Verdict
from components.serving_check.findings import Findings
from pipeline.options.build import build_config
from pipeline.options.settings import Setting
from pipeline.report.console import Console
from pipeline.report.outcome import Report
from trainer.training.forecast import Forecast
from trainer.training.progress import Progress


@pytest.fixture
def streams():
    return io.StringIO(), io.StringIO()


def progress(step, total):
    return Progress(
        step=step,
        total_steps=total,
        epoch=1,
        metrics={"loss": 2.0},
        pace=Pace(images_per_second=12.3, seconds_left=75.2),
    )


def gate(**changes):
    values = {"reasons": (), "warnings": (), "limits": (), "comparison": None, "top5": None}
    return Verdict(**values | changes)


def serving(*reasons):
    return Findings(
        reasons=list(reasons),
        peak_memory_gb=1.37,
        latency_ms={
            "1": {"requests": 100, "p50": 19.6, "p99": 44.1},
            "8": {"requests": 6, "p50": 81.6, "p99": 97.4},
        },
    )


def report(**changes):
    values = {
        "accuracy": 0.87,
        "test_images": 100,
        "interval": (0.79, 0.92),
        "worst_class": ("roses", 0.5, 4),
        "calibration": {
            "expected_calibration_error": 0.03,
            "negative_log_likelihood": 0.4,
            "coverage": 0.8,
            "accepted_accuracy": 0.95,
        },
        "gate": gate(),
        "serving": serving(),
        "pushed_to": "/serving/1",
        "was_served": False,
        "unpushed": "",
        "images": {"read": 10, "train": 6, "validation": 2, "test": 1, "quarantine": 1},
        "quarantine": "/examples/quarantine.jsonl",
        "page": "/Report/report/9/report.html",
        "warning": "",
        "anomalies": ("train: label: Unexpected values",),
        "artifacts": {"Trainer.model": "/root/" + "long/" * 60},
        "slowest": "Trainer 12 min, Transform 48 s, Evaluator 9.0 s",
    }
    return Report(**values | changes)


def test_piped_output_is_one_plain_unwrapped_line_an_entry(streams):
    clock = iter(range(0, 10_000, 31))
    console = Console(*streams, clock=lambda: next(clock))
    settings = {"model": "vit_b16_fe", "pipeline_root": "/" + "deep/" * 60}
    config = build_config({key: Setting(value, key) for key, value in settings.items()})
    console.plan(config, "/log")
    with console.live():
        console.node_started("Trainer")
        console.progress(progress(1, 10))
        assert "  step 1 of 10, loss 2.000, 12.3 images/s, 0:01:15 left\n" in streams[0].getvalue()
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
    assert lines[-8:] == [
        "",
        "quarantined images: see /examples/quarantine.jsonl",
        "anomaly: train: label: Unexpected values",
        "slowest nodes: Trainer 12 min, Transform 48 s, Evaluator 9.0 s",
        "test accuracy: 0.8700 on 100 images (95 % interval 0.79 to 0.92)",
        "verdict: blessed",
        "pushed to: /serving/1",
        "report: /Report/report/9/report.html",
    ]


def test_the_log_has_all_results(streams, caplog):
    caplog.set_level(logging.INFO)
    Console(*streams).summary(report(slowest=""))
    assert caplog.messages == [
        "artifact Trainer.model: /root/" + "long/" * 60,
        "images: 10 read: 6 train, 2 validation, 1 test, 1 quarantined",
        "worst class: roses, recall 0.5000 on 4 images",
        "calibration: expected error 0.0300, negative log likelihood 0.4000",
        "accepted answers: 80.0% of the test images, accuracy 0.9500",
        "serving: 1 image in 20 ms (p99 44), 8 images in 82 ms (p99 97); peak memory 1.4 GB",
        "test accuracy: 0.8700 on 100 images (95 % interval 0.79 to 0.92)",
        "verdict: blessed",
        "pushed to: /serving/1",
        "report: /Report/report/9/report.html",
    ]


def test_the_plan_has_the_published_accuracy_of_the_recipe(streams):
    as_published, otherwise = {"model": "vit_s16_fe"}, {"model": "vit_b16_fe"}
    for values, count in (
        (as_published, 1),
        (as_published | {"train.strategy": "mirrored"}, 1),
        (otherwise, 0),
        (as_published | {"weights": "random"}, 0),
        (as_published | {"train.epochs": 1}, 0),
        (as_published | {"augment.flip": "false"}, 0),
        (as_published | {"dataset": "digits", "recipe": "tf_flowers_full"}, 0),
    ):
        config = build_config({key: Setting(value, key) for key, value in values.items()})
        Console(*streams).plan(config, "/log")
        lines = [line for line in streams[0].getvalue().splitlines() if "published" in line]
        assert len(lines) == count
        assert all("98.64 % (± 0.6)" in line for line in lines)
        streams[0].truncate(0)


def test_progress_without_a_known_pace(streams):
    clock = iter(range(0, 100, 31))
    console = Console(*streams, clock=lambda: next(clock))
    console.node_started("Trainer")
    console.progress(dataclasses.replace(progress(1, 10), pace=None))
    assert streams[0].getvalue().endswith("  step 1 of 10, loss 2.000\n")
    console.images(1200, 3670, None)
    assert streams[0].getvalue().endswith("  1,200 of 3,670 images\n")


def test_piped_progress_is_a_line_every_thirty_seconds(streams):
    now = 0.0
    console = Console(*streams, clock=lambda: now)
    console.node_started("Transform")
    for done in range(1, 201):
        now += 1.0
        console.images(done, 200, Pace(images_per_second=1.0, seconds_left=200.0 - done))
    lines = streams[0].getvalue().splitlines()[1:]
    assert lines[0] == "  30 of 200 images, 1 images/s, 0:02:50 left"
    assert [line.split()[0] for line in lines] == ["30", "60", "90", "120", "150", "180"]


def test_progress_of_a_long_training_is_at_most_a_hundred_lines(streams):
    now = 0.0
    console = Console(*streams, clock=lambda: now)
    console.node_started("Trainer")
    for step in range(1, 1001):
        now += 60.0
        console.progress(progress(step, 1000))
    assert streams[0].getvalue().count("of 1000") == 100


def test_a_terminal_shows_the_images_of_the_running_node():
    screen = Screen()
    console = Console(screen, io.StringIO())
    with console.live():
        console.node_started("Transform")
        console.images(120, 3670, Pace(images_per_second=12.0, seconds_left=295.8))
        time.sleep(0.2)
    shown = re.sub(r"\x1b\[[\d;?]*[a-zA-Z]", "", screen.getvalue())  # without colours
    assert re.search(r"Transform .*120 of 3,670 images, 12 images/s, 0:04:56 left", shown)


def test_the_forecast_of_a_training(streams):
    Console(*streams).forecast(
        Forecast(images=7200, images_per_second=2.0, devices="2 CPU cores", head_seconds=400.0)
    )
    assert streams[0].getvalue().splitlines() == [
        "  training takes about 60 min on 2 CPU cores: 7,200 images at 2 images/s",
        "  without a GPU, --tune head is faster: about 7 min, since each image goes through the "
        "backbone only once",
    ]


def test_piped_a_download_is_two_lines(streams):
    console = Console(*streams)
    with console.downloads():
        for done in range(0, 100_000_001, 1_000_000):
            log_download(done, 100_000_000)
        log_download(100_000_000, 100_000_000, ended=True)
        log_download(5, None)
        logging.getLogger("backbones.download").info("trying again")
    log_download(1, 2)
    assert streams[0].getvalue().splitlines() == [
        "downloading vit_b16_fe: 100.0 MB",
        "downloaded vit_b16_fe: 100.0 MB",
        "downloading vit_b16_fe",
    ]


def test_a_wait_for_another_process_is_a_line(streams):
    """`common.lock.hold_lock` logs "waiting for …" while another process holds the lock."""
    with Console(*streams).downloads():
        common.lock.logger.warning("waiting for %s", "x", extra={"waits_for": "x"})
    assert streams[0].getvalue() == "waiting for x\n"


def test_on_a_terminal_a_download_is_a_bar():
    screen = Screen()
    console = Console(screen, io.StringIO())
    with console.live(), console.downloads():
        console.show_activity("looking at data and model")
        log_download(0, 100_000_000)
        for done in (30_000_000, 60_000_000):
            time.sleep(0.2)
            log_download(done, 100_000_000)
        time.sleep(0.2)
        log_download(100_000_000, 100_000_000, ended=True)
    shown = re.sub(r"\x1b\[[\d;?]*[a-zA-Z]", "", screen.getvalue())  # without colours
    assert "downloading vit_b16_fe" in shown
    assert re.search(r"60\.0/100\.0 MB [\d.]+ MB/s", shown)
    assert "downloaded vit_b16_fe: 100.0 MB" in shown


class Screen(io.StringIO):
    """A stream that claims to be a terminal."""

    def isatty(self):
        return True


def log_download(done, total, ended=False):
    """Logs the progress of a download, as `backbones.download` does."""
    state = Download(name="vit_b16_fe", done=done, total=total, ended=ended)
    logging.getLogger("backbones.download").debug("", extra={"download": state})


def test_a_model_that_was_not_blessed(streams):
    reasons = ("accuracy 0.8700 is 0.0300 below 0.9000", "recall of roses 0.5 is 0.1 below 0.6")
    Console(*streams).summary(report(gate=gate(reasons=reasons), pushed_to=None))
    lines = streams[0].getvalue().splitlines()
    assert lines[-3:-1] == [
        f"verdict: not blessed by the gate: {'; '.join(reasons)}",
        "pushed to: nothing was pushed",
    ]


def test_a_model_that_servingcheck_refuses(streams):
    refused = serving("no bytes: valid is True", "text: valid is True")
    Console(*streams).summary(report(serving=refused, pushed_to=None))
    expected = "refused by ServingCheck: no bytes: valid is True; text: valid is True"
    assert streams[0].getvalue().splitlines()[-3] == f"verdict: {expected}"
    Console(*streams).summary(report(gate=gate(reasons=("a",)), serving=refused, pushed_to=None))
    assert streams[0].getvalue().splitlines()[-3:-1] == [
        f"verdict: not blessed by the gate: a; {expected}",
        "pushed to: nothing was pushed",
    ]


def test_the_log_explains_the_verdict(streams, caplog):
    caplog.set_level(logging.INFO)
    limit = {"images": 100, "confidence": 0.95}
    verdict = gate(
        warnings=("no test image of a: the recall of these classes is unknown",),
        limits=(
            Limit(name="accuracy", value=0.87, bound=0.8044, limit=0.8, **limit),
            Limit(name="recall of roses", value=0.5, bound=0.2, limit=0.1, **limit),
            Limit(name="coverage", value=0.9, bound=0.9, limit=0.8, images=100),
        ),
        comparison=Comparison(accuracy=0.87, champion_accuracy=0.82, better=14, worse=9, p=0.4049),
        top5=0.98,
    )
    Console(*streams).summary(report(gate=verdict))
    assert "no test image of a: the recall" in streams[0].getvalue()
    assert caplog.messages[5:9] == [
        "top-5 accuracy: 0.9800",
        "gate: accuracy 0.8700 on 100 images, with 95 % confidence at least 0.8044; 0.8000 is "
        "required",
        "gate: coverage 0.9000, at least 0.8000 is required",
        "champion: accuracy 0.8200; the new model is better on 14 images, worse on 9, p = 0.40",
    ]


def test_a_model_that_is_served_already(streams):
    Console(*streams).summary(report(was_served=True))
    assert streams[0].getvalue().splitlines()[-3:] == [
        "the model is served already, so nothing was copied",
        "pushed to: /serving/1",
        "report: /Report/report/9/report.html",
    ]


def test_validation_metrics_are_shown_with_later_steps(streams):
    clock = iter(range(0, 1000, 31))
    console = Console(*streams, clock=lambda: next(clock))
    console.node_started("Trainer")
    console.print_resumed_step(3)
    metrics = {"loss": 2.0, "val_accuracy": 0.75}
    console.progress(dataclasses.replace(progress(4, 10), metrics=metrics))
    console.progress(progress(6, 10))
    lines = streams[0].getvalue().splitlines()
    assert lines[1] == "  resumes from the checkpoint of step 3"
    assert lines[-1].startswith("  step 6 of 10, loss 2.000, val_accuracy 0.750, ")


def test_text_is_not_taken_for_markup(streams):
    Console(*streams).line("[red]/path[/red] [1]")
    assert streams[0].getvalue() == "[red]/path[/red] [1]\n"


def test_names_from_the_data_are_text(streams):
    """Line breaks and escape sequences in names are escaped, so no name fakes a line of output."""
    evil = "roses\x1b[2J\nverdict: blessed\u202e"
    console = Console(*streams)
    settings = {"model": "vit_b16_fe", "pipeline_root": f"/{evil}"}
    console.plan(build_config({key: Setting(value, key) for key, value in settings.items()}), evil)
    before = len(streams[0].getvalue().splitlines())
    console.summary(
        report(
            quarantine=evil,
            gate=gate(warnings=(evil,)),
            anomalies=(evil,),
            warning=evil,
            pushed_to=evil,
        )
    )
    console.error(evil)
    shown = r"roses\x1b[2J\nverdict: blessed\u202e"
    assert all(shown in line for line in streams[0].getvalue().splitlines()[before - 3 : before])
    lines = streams[0].getvalue().splitlines()[before:]
    assert sum(shown in line for line in lines) == 5
    assert lines.count("verdict: blessed") == 1  # `evil` adds no second verdict
    assert streams[1].getvalue() == f"{shown}\n"


def test_errors_go_to_stderr(streams):
    console = Console(*streams)
    console.node_started("Trainer")
    console.node_failed("Trainer")
    assert "Trainer: failed after" in streams[1].getvalue()
    console.node_failed("Trainer", interrupted=True)
    assert "Trainer: interrupted after" in streams[1].getvalue()
