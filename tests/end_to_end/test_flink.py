"""Tests that the nodes that use Beam write the same artifacts with Flink as with Beam's own runner.

Flink runs inside Beam's job server, which `make flink-job-server` downloads; $VIT_FLINK_JAR names
another job server.
"""

import os
import shutil
import signal
import subprocess
import sys
from collections import Counter
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

pytestmark = pytest.mark.slow

SPLITS = ("train", "validation", "test")
BEAM_NODES = ("ImageExampleGen", "StatisticsGen", "Transform", "Evaluator")
FLAGS = ("--runner=FlinkRunner", "--flink_master=[local]", "--parallelism=1")
IMAGES_OF_A_CLASS = 12  # enough for an image in each split


@pytest.fixture(scope="module")
def job_server(project, monkeypatch_module):
    jar = Path(os.environ.get("VIT_FLINK_JAR", project / ".cache" / "flink" / "job-server.jar"))
    if not jar.is_file():
        pytest.skip(f"no job server at {jar} (make flink-job-server, or set VIT_FLINK_JAR)")
    if not shutil.which("java"):
        pytest.skip("no java, which Flink needs")
    # Each node that uses Beam starts a JVM of its own. With these options, a JVM starts quickly and
    # needs little memory.
    monkeypatch_module.setenv("JAVA_TOOL_OPTIONS", "-XX:TieredStopAtLevel=1 -Xmx2g")
    return jar


@pytest.fixture(scope="module")
def monkeypatch_module():
    with pytest.MonkeyPatch.context() as patch:
        yield patch


@pytest.fixture(scope="module")
def dataset(tmp_path_factory, project):
    """Returns a folder of real images, or the name `digits` if this machine has no real images."""
    shared = Path(os.environ.get("VIT_SHARED", project.parent / "shared"))
    if not (shared / "images").is_dir():
        return "digits"
    folder = tmp_path_factory.mktemp("source") / "flowers"
    for kind in ("daisy", "roses", "tulips"):
        (folder / kind).mkdir(parents=True)
        for image in sorted((shared / "images" / "tf_flowers" / kind).iterdir())[
            :IMAGES_OF_A_CLASS
        ]:
            (folder / kind / image.name).symlink_to(image)
    return str(folder)


@pytest.fixture(scope="module")
def run(pipeline, dataset, tiny_backbone, tmp_path_factory):
    """Returns a function that runs the pipeline with the given flags, and returns the run and its
    log."""

    def run_with(name, *flags):
        root = tmp_path_factory.mktemp(name)
        arguments = ["--model", str(tiny_backbone), "--dataset", dataset, "--tune", "head"]
        arguments += ["--min-accuracy", "0", "--batch-size", "8", "--name", name]
        arguments += ["--set", "train.steps=1"]
        result = pipeline(root, *arguments, *flags)
        assert (result.status, result.err) == (0, "")
        return result, next((root / "logs").iterdir()).read_text()

    return run_with


@pytest.fixture(scope="module")
def direct(run, job_server):
    return run("direct")


@pytest.fixture(scope="module")
def flink(run, job_server):
    server = f"--beam-arg=--flink_job_server_jar={job_server}"
    return run("flink", "--runner", "beam", server, *(f"--beam-arg={flag}" for flag in FLAGS))


def records(directory: Path) -> list[bytes]:
    files = [str(file) for file in directory.iterdir()]
    return [record.numpy() for record in tf.data.TFRecordDataset(files, "GZIP")]


def test_every_node_of_beam_ran_on_flink(flink):
    """Each node that uses Beam started a job server, and no job failed."""
    _, log = flink
    ran = [
        part.split(" ", 1)[0] for part in log.split("Component ") if "state changed to DONE" in part
    ]
    assert set(ran) == set(BEAM_NODES)
    assert log.count("Really starting service") >= len(BEAM_NODES)
    assert "state changed to FAILED" not in log


def test_the_examples_are_the_same_byte_for_byte(direct, flink):
    of_direct, of_flink = (run.artifacts["ImageExampleGen.examples"] for run, _ in (direct, flink))
    assert (of_flink / "counts.json").read_text() == (of_direct / "counts.json").read_text()
    for split in SPLITS:
        expected = Counter(records(of_direct / f"Split-{split}"))
        assert expected
        assert Counter(records(of_flink / f"Split-{split}")) == expected


def test_the_features_are_the_same(direct, flink):
    of_direct, of_flink = (
        run.artifacts["Transform.transformed_examples"] for run, _ in (direct, flink)
    )

    def table(directory):
        rows = []
        for record in records(directory):
            feature = tf.train.Example.FromString(record).features.feature
            label, features = feature["label"].int64_list, feature["features"].float_list
            rows.append((*label.value, *features.value))
        return np.array(sorted(rows))

    for split in ("train", "validation"):
        expected = table(of_direct / f"Split-{split}")
        np.testing.assert_array_equal(table(of_flink / f"Split-{split}"), expected)


def test_the_verdict_is_the_same(direct, flink):
    for line in ("images", "test accuracy", "verdict"):
        assert flink[0].value(line) == direct[0].value(line)


COMPUTES = """
import sys, time
from common.termination import end_on_signals
end_on_signals("program")
import apache_beam as beam
def compute(seconds):
    print("computes", flush=True)
    time.sleep(seconds)
with beam.Pipeline(argv=sys.argv[1:]) as pipeline:
    _ = pipeline | beam.Create([600]) | beam.Map(compute)
"""


@pytest.mark.usefixtures("foreground")
@pytest.mark.parametrize(
    ("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)], ids=["Ctrl-C", "SIGTERM"]
)
def test_no_process_is_left_after_a_signal(job_server, tmp_path, number, status):
    flags = [*FLAGS, f"--flink_job_server_jar={job_server}"]
    mark = str(tmp_path)  # TMPDIR of every process of the run; the test searches for this value
    program = subprocess.Popen(
        [sys.executable, "-c", COMPUTES, *flags],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=os.environ | {"TMPDIR": mark},
        text=True,
    )
    assert "computes\n" in iter(program.stdout.readline, "")
    names = sorted(Path(f"/proc/{process}/comm").read_text() for process in find_processes(mark))
    assert names[0] == "java\n"
    program.send_signal(number)
    assert program.wait(10) == status
    assert find_processes(mark) == []


def find_processes(text: str) -> list[str]:
    """Returns the ids of processes whose environment contains `text`."""
    found = []
    for directory in Path("/proc").iterdir():
        with suppress(OSError):  # the process has ended, or belongs to another user
            if directory.name.isdecimal() and text in (directory / "environ").read_text(
                errors="replace"
            ):
                found.append(directory.name)
    return found
