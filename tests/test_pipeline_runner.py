"""Tests of the command line, most of them in a new process."""

import io
import os
import re
import shutil
import signal
import subprocess
import sys

import pytest

from backbones.catalogue import MODELS
from common.errors import RefusedError
from pipeline.command_line.exit_status import REFUSED
from pipeline.command_line.logged_job import run_with_log
from pipeline.command_line.run import print_plan, warn_of_few_test_images, warn_of_similar_names
from pipeline.command_line.tables import list_models
from pipeline.datasets import DATASETS
from pipeline.options.build import build_config
from pipeline.options.config import OPTIONS
from pipeline.options.flags import FLAGS
from pipeline.options.settings import Setting
from pipeline.report.console import Console


def command(project, *arguments, cwd=None, env=None):
    """Runs the command line in a new process."""
    return subprocess.run(
        [sys.executable, str(project / "pipeline_runner.py"), *arguments],
        cwd=cwd or project,
        env=env,
        capture_output=True,
        text=True,
        check=False,
    )


VERTEX = ["--runner", "vertex", "--model", "vit_b16_fe", "--project", "p"]
KUBEFLOW = ["--runner", "kubeflow", "--model", "vit_b16_fe"]
SUBMIT = ["--region", "r", "--image", "i", "--pipeline-root", "gs://b/r"]
SCHEDULE = [*KUBEFLOW, "--host", "http://localhost:9", *SUBMIT[2:], "--schedule", "0 3 * * 1"]
USAGE_ERRORS = [
    (["--inspect", "--dataset", "digits", "--data-check", "full"], "give --model, or inspect"),
    (["--inspect", "--write-schema", "x.pbtxt"], "--inspect: found --write-schema as well"),
    (["--model", "nope"], "--model nope: no such model in the catalogue"),
    (["--model", "vit_b16_fe", "--dataset", "nope"], "--dataset nope: no such dataset"),
    (["--model", "vit_b16_fe", "--epochs", "-1"], "--epochs -1: expected a whole number of at"),
    (["--model", "vit_b16_fe", "--set", "train.epoch=1"], "did you mean train.epochs?"),
    (["--model", "vit_b16_fe", "--config", "nope.yaml"], "--config nope.yaml: No such file"),
    (["--model", "vit_b16_fe", "--dataset", "schemas"], "found 0 class folders"),
    (["--model", "schemas"], "no SavedModel"),
    (["--model", "vit_b16_fe", "--bogus"], "unrecognized arguments: --bogus"),
    (["--modle=vit_b16_fe"], "unrecognized arguments: --modle=vit_b16_fe; did you mean --model?"),
    (["--model", "vit-b61-fe"], "did you mean vit_b16_fe?"),
    (
        ["--model", "vit_b16_fe", "--dataset", "digits", "--data-dir", "x"],
        "--data-dir x: has no effect with --dataset digits",
    ),
    (
        ["--model", "vit_b16_fe", "--config", "a.yaml", "--config", "b.yaml"],
        "--config b.yaml: found a second value, after a.yaml; expected one",
    ),
    (
        ["--model", "vit_b16_fe", "--epochs", "3", "--set", "train.steps=8"],
        "--epochs 3: has no effect with --set train.steps 8; expected only one of the two",
    ),
    (["--model", "vit_b16_fe", "--dataset", "s3://b/x"], "--dataset s3://b/x: s3:// is not suppor"),
    (["--model", "vit_b16_fe", "--dataset", "README.md"], "--dataset README.md: is a file"),
    (["--model", "vit_b16_fe", "--dataset", "gs://b/x.zip"], "unpack it, and name the folder"),
    (["--model", "vit_b16_fe", "--dataset", "tf-flower"], "; did you mean tf_flowers?"),
    (["--model", "s3://b/x"], "--model s3://b/x: s3:// is not supported"),
    (
        ["--model", "vit_mini_fe", "--dataset", "digits", "--strategy", "multiworker"],
        "--strategy multiworker: TF_CONFIG is not set",
    ),
    ([*VERTEX, *SUBMIT, "--strategy", "tpu"], "Trainer runs as a step, on one machine without a"),
    (
        ["--model", "vit_mini_fe", "--dataset", "digits", "--name", "x", "--serving-dir", "runs/x"],
        "where a server would look for models among the artifacts",
    ),
    (["--epochs"], "argument --epochs: expected one argument"),
    (["--dataset", "digits"], "--model is missing"),
    (["--beam-arg", "--runner=x"], "--model is missing"),
    (["--beam-arg"], "argument --beam-arg: expected one argument"),
    (["--list-schedules"], "--runner local: expected kubeflow or vertex"),
    (["--runner", "vertex", "--list-schedules"], "--project and --region missing"),
    (["--runner", "kubeflow", "--pause", "x"], "--host missing"),
    ([*VERTEX, "--region", "r"], "--image and --pipeline-root missing"),
    ([*VERTEX, "--region", "r", "--image", "i", "--pipeline-root", "/r"], "expected gs://BUCKET"),
    ([*VERTEX, "--pipeline-root", "here"], "expected a directory that all containers can reach"),
    (
        [*KUBEFLOW, "--output", "x.yaml", "--pipeline-root", "s3://b/p"],
        "--pipeline-root s3://b/p: found no cloud.state_dir, and this store can contain",
    ),
    ([*VERTEX, "--model", "./here"], "--model ./here: expected a name"),
    (
        [*VERTEX, "--model", "https://u:p@host/m.tgz?sig=1"],
        "--model https://…@host/m.tgz?…: has a query string or credentials, which every",
    ),
    ([*VERTEX, "--dataset", "./here"], "--dataset ./here: expected a name"),
    ([*VERTEX, *SUBMIT, "--schedule", "daily"], "expected five fields of cron"),
    ([*SCHEDULE, "--schedule", "0 3 * *"], "--schedule 0 3 * *: expected five fields of cron"),
    ([*SCHEDULE, "--end", "2020-01-01T00:00:00Z"], "--end 2020-01-01T00:00:00Z: is in the past"),
    (
        [*SCHEDULE, "--start", "2099-02-01T00:00:00Z", "--end", "2099-01-01T00:00:00Z"],
        "--end 2099-01-01T00:00:00Z: expected a time after --start 2099-02-01T00:00:00Z",
    ),
    (
        [*SCHEDULE, "--max-concurrent-runs", "11"],
        "--max-concurrent-runs 11: expected 1 to 10 for kubeflow",
    ),
    (
        [*VERTEX, *SUBMIT, "--end", "2030-01-01T00:00:00Z"],
        "--end: has no effect without --schedule",
    ),
    (
        [*VERTEX, "--host", "h"],
        "--host: has no effect with --runner vertex; expected --runner kubeflow",
    ),
    (
        ["--model", "vit_b16_fe", "--wait"],
        "--wait: has no effect with --runner local; expected --runner kubeflow",
    ),
    ([*VERTEX, "--output", "job.yaml"], "expected a file name that ends in .json, for"),
    ([*KUBEFLOW, "--output", "job.json"], "expected a file name that ends in .yaml, for"),
    (
        [*VERTEX, *SUBMIT, "--name", "7flowers"],
        "--name 7flowers: expected a name that starts with a letter",
    ),
    ([*VERTEX, *SUBMIT, "--name", "n" * 64], "found 64 characters; expected at most 63"),
    ([*KUBEFLOW, "--dataset", f"gs://b/{'n' * 60}"], "found 76 characters; expected at most 63"),
    (["--model", "vit_b16_fe", "--name", "n" * 64], "found 64 characters; expected at most 63"),
    ([*SCHEDULE, "--end", "2099-01-01 00:00+01"], "expected a time with its zone, such as 2026"),
    ([*VERTEX, "--start", "tomorrow"], "expected a time with its zone"),
]


COMPILED = [*VERTEX, "--output", "x.json"]
DATAFLOW = ["--beam-arg=--runner=DataflowRunner"]
LATER_USAGE_ERRORS = [
    (
        ["--model", "vit_b16_fe", "--dataset", "tfds:tf_flower", "--data-dir", "nowhere"],
        "tfds:tf_flower: TFDS has no such dataset;",
    ),
    ([*COMPILED, "--beam-arg=--runer=DataflowRunner"], "no flag --runer; did you mean --runner?"),
    ([*COMPILED, *DATAFLOW], "Missing required option: project"),
    ([*COMPILED, "--beam-arg=--setup_file=./setup.py"], "expected a URL or an absolute path in"),
    (["--model", "vit_mini_fe", "--beam-arg=--direct_num_workers=x"], "invalid int value: 'x'"),
]


@pytest.mark.parametrize(("arguments", "expected"), LATER_USAGE_ERRORS, ids=lambda x: str(x)[-30:])
def test_usage_errors_of_beam_and_tfds_are_found_without_tensorflow(project, arguments, expected):
    check_usage_error(run_lightly(project, arguments, "tensorflow", "tfx", "keras"), expected)


# modules that the command line must not import before it reports a usage error
LIGHT = ("tensorflow", "tfx", "keras", "apache_beam", "numpy")


@pytest.mark.parametrize(("arguments", "expected"), USAGE_ERRORS, ids=lambda x: str(x)[-30:])
def test_usage_errors_have_one_line_and_status_2(project, arguments, expected):
    check_usage_error(run_lightly(project, arguments, *LIGHT), expected)


def test_the_script_itself_ends_with_the_status(project):
    check_usage_error(command(project, *USAGE_ERRORS[0][0]), USAGE_ERRORS[0][1])


def run_lightly(project, arguments, *heavy):
    """Runs the command line in a new process, which fails if it has imported one of `heavy`."""
    code = (
        "import sys, pipeline_runner\n"
        "try: status = pipeline_runner.main(sys.argv[1:])\n"
        "except SystemExit as end: status = end.code\n"
        f"imported = {set(heavy)} & set(sys.modules)\n"
        "sys.exit(f'imported {imported}' if imported else status)"
    )
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        cwd=project,
        capture_output=True,
        text=True,
        check=False,
    )


def check_usage_error(done, expected):
    assert done.returncode == 2, done.stderr
    assert done.stdout == ""
    assert expected in done.stderr
    assert done.stderr.startswith("pipeline_runner.py: ")
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    "arguments",
    [["--help"], *([f"--list-{what}"] for what in ("models", "datasets", "options"))],
    ids=lambda x: str(x)[-30:],
)
def test_commands_that_need_no_tensorflow(project, arguments):
    done = run_lightly(project, arguments, *LIGHT)
    assert done.returncode == 0, done.stderr


def test_version(project):
    done = command(project, "--version")
    assert (done.returncode, done.stderr) == (0, "")
    (declared,) = re.findall('^version = "(.*)"$', (project / "pyproject.toml").read_text(), re.M)
    assert done.stdout == f"vit-pipeline {declared}\n"


def test_without_a_network_a_bucket_is_an_error_of_one_line(project, tmp_path):
    done = command(
        project,
        *["--model", "vit_mini_fe", "--dataset", "gs://bucket/flowers"],
        cwd=tmp_path,
        env=os.environ | {"STORAGE_EMULATOR_HOST": "http://127.0.0.1:1", "no_proxy": "127.0.0.1"},
    )
    assert done.returncode == 1
    assert done.stdout == ""
    assert re.fullmatch(
        r"pipeline_runner\.py: --dataset gs://bucket/flowers: .* cannot be reached .*\n",
        done.stderr,
    )
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("images", "gate", "expected"),
    [
        (
            24,
            {"min_accuracy": 0.9},
            "an accuracy of 0.9 with a confidence of 0.95 needs at least 25 test images.",
        ),
        (25, {"min_accuracy": 0.9}, ""),
        (1, {"min_accuracy": 0.9, "confidence": 0.0}, ""),
        (
            9,
            {"min_accuracy": 1.0},
            "an accuracy of 1 with a confidence of 0.95 cannot be shown with any number",
        ),
    ],
)
def test_too_few_test_images_for_any_model_give_a_warning(images, gate, expected):
    out = io.StringIO()
    given = {f"gate.{key}": Setting(value, key) for key, value in gate.items()}
    config = build_config({"model": Setting("vit_mini_fe", "--model")} | given)
    warn_of_few_test_images(images, config, Console(out, io.StringIO()))
    assert expected in out.getvalue()
    assert bool(out.getvalue()) == bool(expected)


def test_similar_class_names_give_a_warning():
    out = io.StringIO()
    warn_of_similar_names(["Roses", "daisy", "roses"], Console(out, io.StringIO()))
    assert out.getvalue().startswith("The classes 'Roses' and 'roses' differ only in upper and")
    assert len(out.getvalue().splitlines()) == 1


def test_help_has_every_flag(project):
    done = command(project, "--help")
    assert done.returncode == 0
    assert all(flag in done.stdout for flag in FLAGS)


def test_every_option_is_listed(project):
    """Each option is listed with its key and its flag; NODE in a key stands for any node."""
    _, *rows, last = command(project, "--list-options").stdout.splitlines()
    nodes = last.removeprefix("NODE is one of ").rstrip(".").split(", ")
    named = [row.split()[0] for row in rows]
    assert len(named) == len(set(named))
    assert {key.replace("NODE", node) for key in named for node in nodes} >= OPTIONS.keys()
    flags = {row.split()[0]: row.split()[1] for row in rows if row.split()[1].startswith("--")}
    assert flags == {key: flag for flag, key in FLAGS.items()}
    (strategy,) = [row for row in rows if row.startswith("train.strategy ")]
    assert strategy.endswith("[auto, single, mirrored, multiworker, tpu]")


def test_lists(project):
    models = command(project, "--list-models")
    assert models.returncode == 0
    lines = models.stdout.splitlines()
    assert [line.split()[0] for line in lines[1:]] == list(MODELS)
    assert all("\x1b" not in line for line in lines)
    datasets = command(project, "--list-datasets").stdout.splitlines()
    assert [line.split()[0] for line in datasets[1:]] == list(DATASETS)


def test_the_table_of_models(tmp_path, monkeypatch):
    monkeypatch.setenv("VIT_HOME", str(tmp_path))
    monkeypatch.setenv("TFHUB_CACHE_DIR", str(tmp_path / "hub"))
    header, *lines = (re.split(" {2,}", line) for line in list_models().splitlines())
    assert header == [
        "NAME",
        "MODEL",
        "PARAMETERS",
        "IMAGENET TOP-1",
        "HERE",
        "LICENCE",
        "KAGGLE HANDLE",
    ]
    table = {line[0]: line[1:] for line in lines}
    assert len(table) == len(lines) == 17
    kaggle = "spsayakpaul/vision-transformer/tensorFlow2"
    for name, expected in {
        "vit_b8_classification": ["ViT B/8", "86,576,872", "85.948 %"],
        "vit_r26_s32_lightaug_fe": [
            "ViT R26+S/32 (light augmentation)",
            "36,046,912",
            "80.944 %",
        ],
    }.items():
        handle = f"{kaggle}/{name.replace('_', '-')}/1"
        assert table[name] == [*expected, "no", "Apache-2.0", handle]
    assert table["vit_mini_fe"][2:] == ["-", "yes", "Apache-2.0", "none (random weights)"]


def test_models_in_the_cache_are_marked(tmp_path, monkeypatch, tiny_backbone):
    monkeypatch.setenv("VIT_HOME", str(tmp_path))
    monkeypatch.setenv("TFHUB_CACHE_DIR", str(tmp_path / "hub"))

    def here():
        header, *lines = list_models().splitlines()
        column = header.index("HERE")
        return {line.split()[0] for line in lines if line[column:].startswith("yes")}

    assert here() == {"vit_mini_fe"}
    shutil.copytree(tiny_backbone, tmp_path / "models" / "vit_b16_fe")
    assert here() == {"vit_mini_fe", "vit_b16_fe"}


FLOAT32 = "--precision has no effect: the graph of this SavedModel computes in float32.\n"
UNTRAINED = "The model is UNTRAINED: its weights are random.\n"


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"model": "vit_b16_fe"}, ""),
        ({"model": "vit_b16_fe", "weights": "random"}, UNTRAINED),
        ({"model": "vit_mini_fe"}, UNTRAINED),
        ({"model": "vit_b16_fe", "train.precision": "mixed_bfloat16"}, ""),
        ({"model": "gs://bucket/model", "train.precision": "mixed_bfloat16"}, FLOAT32),
        ({"model": "gs://bucket/model.npz", "train.precision": "mixed_bfloat16"}, ""),
    ],
)
def test_warnings(given, said, tmp_path):
    out = io.StringIO()
    config = build_config({key: Setting(value, key) for key, value in given.items()})
    print_plan(config, tmp_path / "log", Console(out, io.StringIO()))
    plan, warnings = out.getvalue().split(f"{tmp_path}/log\n")
    assert plan.startswith("Pipeline ")
    assert warnings == said


@pytest.mark.usefixtures("foreground")
@pytest.mark.parametrize(
    ("number", "status", "line"),
    [
        (signal.SIGINT, 130, "pipeline_runner.py: interrupted\n"),
        (signal.SIGTERM, 143, "pipeline_runner.py: terminated\n"),
    ],
)
def test_a_signal_ends_a_run_that_loads_tensorflow(project, tmp_path, number, status, line):
    """The signal must not raise an exception, because an import could catch the exception."""
    command = [sys.executable, "pipeline_runner.py", "--model", "vit_mini_fe"]
    command += ["--dataset", "digits", "--pipeline-root", str(tmp_path)]
    with subprocess.Popen(
        command,
        cwd=project,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as run:
        assert run.stdout is not None
        # The run prints the warning UNTRAINED, and then imports TensorFlow.
        while "UNTRAINED" not in run.stdout.readline():
            pass
        run.send_signal(number)
        out, err = run.communicate(timeout=60)
    assert (run.returncode, out, err) == (status, "", line)
    (log,) = (tmp_path / "logs").iterdir()
    assert line in log.read_text()


def test_an_interrupted_run_says_so(project):
    """Ctrl-C arrives before TensorFlow is imported."""
    code = (
        "import sys, pipeline_runner\n"
        "def interrupt(*_, **options): raise KeyboardInterrupt\n"
        "pipeline_runner.build_config = interrupt\n"
        "sys.exit(pipeline_runner.main(['--model', 'vit_mini_fe']))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=project, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (130, "pipeline_runner.py: interrupted\n")


def test_a_refusal_ends_the_run_with_status_3(tmp_path, capfd):
    def job(console):
        raise RefusedError("anomalies: the split train has labels that the schema does not have")

    status = run_with_log(tmp_path / "run.log", job, verbose=False)
    out, err = capfd.readouterr()
    assert status == REFUSED == 3
    assert err == "verdict: anomalies: the split train has labels that the schema does not have\n"
    assert out == "pushed to: nothing was pushed\n"
