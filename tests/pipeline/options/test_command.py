"""Tests of the command that a report shows for repeating the run."""

import shlex

import pytest

from pipeline.command_line.parser import join_values, make_parser, read_settings
from pipeline.options.build import build_config
from pipeline.options.command import make_command
from pipeline.options.settings import Setting


def configure(**settings):
    given = {"model": "vit_b16_fe", "dataset": "digits"} | settings
    return build_config({key: Setting(value, key) for key, value in given.items()})


def parse_command(command):
    """Parses a command; returns its configuration."""
    python, script, *arguments = shlex.split(command)
    assert (python, script) == ("python", "pipeline_runner.py")
    parsed = make_parser().parse_args(list(join_values(arguments)))
    return build_config(read_settings(parsed))


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"tune": "head", "train.epochs": "3", "gate.min_accuracy": "0.25"},
        {"train.steps": "7", "augment.flip": "true", "ingest.max_side": "300"},
        {"name": "other", "pipeline_root": "/a b/root", "serving_dir": "/s"},
        {"run.runner": "beam", "run.beam_args": ["--direct_num_workers=2"]},
        {"train.deterministic": "true", "gate.min_class_recall": "0.5", "tuner": "3"},
        {"run.runner": "vertex", "pipeline_root": "gs://b/r", "cloud.output": "job.json"},
        {
            "run.runner": "kubeflow",
            "pipeline_root": "minio://b/r",
            "cloud.output": "job.yaml",
            "cloud.volumes": ["state:/state", "data:/data"],
            "cloud.state_dir": "/state/digits",
        },
    ],
)
def test_the_command_gives_the_same_configuration(settings):
    config = configure(**settings)
    assert parse_command(make_command(config)) == config


def test_an_inspection_needs_no_model():
    given = {"dataset": Setting("digits", "--dataset")}
    config = build_config(given, needs_model=False)
    assert (config.model, config.name) == ("", "digits-inspect")
    expected = "python pipeline_runner.py --dataset digits --inspect"
    assert make_command(config, "--inspect") == expected


def test_the_command_has_lists_without_a_flag(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "1.png").touch()
    config = configure(dataset=str(tmp_path), **{"ingest.classes": "a,b,c"})
    command = make_command(config)
    assert "--set ingest.classes=a,b,c" in command
    assert parse_command(command) == config


def test_the_command_omits_the_default_serving_directory():
    config = configure(
        **{"run.runner": "kubeflow", "pipeline_root": "minio://b/r", "cloud.output": "job.yaml"},
        **{"cloud.volumes": ["state:/state"], "cloud.state_dir": "/state/digits"},
    )
    assert "--serving-dir" not in make_command(config)


def test_the_command_has_only_options_without_their_default():
    command = make_command(configure(**{"train.epochs": "5", "run.verbose": "true"}))
    assert command == "python pipeline_runner.py --model vit_b16_fe --dataset digits --epochs 5"
