"""Tests that options without an effect are refused."""

import pytest

from common.errors import InputError
from pipeline.options.build import build_config, build_target, read_config
from pipeline.options.cluster import COMPILED_RUNNERS
from pipeline.options.compatibility import CONFLICTS, RUNNERS, SCHEDULE_OPTIONS
from pipeline.options.config import OPTIONS
from pipeline.options.settings import Setting

KEY = "projects/p/locations/l/keyRings/r/cryptoKeys/k"


def config_of(runner, **settings):
    settings = {"model": "vit_b16_fe", "run.runner": runner, **settings}
    if runner == "beam":
        settings["run.beam_args"] = "--runner=FlinkRunner"
    return build_config({key: Setting(value, f"--{key}") for key, value in settings.items()})


def test_the_tables_name_options():
    for key in (*RUNNERS, *SCHEDULE_OPTIONS, *(key for row in CONFLICTS for key in row[:2])):
        assert key in OPTIONS or (key.endswith(".") and any(o.startswith(key) for o in OPTIONS))


@pytest.mark.parametrize(
    ("runner", "key", "value", "expected"),
    [
        ("local", "cloud.schedule", "0 3 * * 1", "kubeflow or vertex"),
        ("local", "cloud.image", "vit:1", "kubeflow or vertex"),
        ("local", "machines.trainer.spot", "true", "kubeflow or vertex"),
        ("local", "run.fail_on_unblessed", "true", "kubeflow or vertex"),
        ("local", "machines.trainer.workers", "2", "vertex"),
        ("beam", "cloud.host", "http://localhost:8080", "kubeflow"),
        ("beam", "machines.transform.cpu", "8", "kubeflow or vertex"),
        ("kubeflow", "cloud.labels", "team=vision", "vertex"),
        ("kubeflow", "cloud.network", "projects/1/global/networks/n", "vertex"),
        ("kubeflow", "cloud.encryption_key", KEY, "vertex"),
        ("kubeflow", "cloud.project", "p", "vertex"),
        ("kubeflow", "cloud.region", "r", "vertex"),
        ("kubeflow", "cloud.api_endpoint", "e", "vertex"),
        ("kubeflow", "machines.trainer.machine_type", "n1-standard-8", "vertex"),
        ("vertex", "cloud.host", "http://localhost:8080", "kubeflow"),
        ("vertex", "cloud.namespace", "n", "kubeflow"),
        ("vertex", "cloud.token_file", "f", "kubeflow"),
    ],
)
def test_options_of_other_runners_are_refused(runner, key, value, expected):
    with pytest.raises(InputError) as error:
        config_of(runner, **{key: value})
    assert (
        f"--{key}: has no effect with --runner {runner}; expected --runner {expected}, or"
        in str(error.value)
    )
    if runner in COMPILED_RUNNERS:
        settings = {"run.runner": Setting(runner, "--runner"), key: Setting(value, "--it")}
        with pytest.raises(InputError, match="--it: has no effect with --runner"):
            build_target(settings)


SCHEDULE = {"cloud.schedule": "0 3 * * 1"}


@pytest.mark.parametrize("runner", COMPILED_RUNNERS)
@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"cloud.start": "2030-01-01T00:00:00Z"}, "cloud.start: has no effect without --schedule"),
        ({"cloud.end": "2030-01-01T00:00:00Z"}, "cloud.end: has no effect without --schedule"),
        ({"cloud.max_concurrent_runs": "2"}, "concurrent_runs: has no effect without --schedule"),
        (SCHEDULE | {"cloud.output": "job"}, "cloud.schedule: has no effect with --cloud.output"),
        ({"cloud.wait": "true", "cloud.output": "job"}, "cloud.wait: has no effect with --cloud."),
        (SCHEDULE | {"cloud.wait": "true"}, "cloud.wait: has no effect with --cloud.schedule"),
    ],
)
def test_options_without_an_effect_are_refused(runner, settings, message):
    with pytest.raises(InputError, match=message) as error:
        config_of(runner, **settings)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("runner", ["local", "beam", *COMPILED_RUNNERS])
def test_default_values_are_accepted_with_every_runner(runner):
    """The configuration file of a run has every key, most of them with the default value, so a
    default value must never be refused as an option without an effect."""
    config = config_of(runner)
    assert read_config(config.to_json()) == config
