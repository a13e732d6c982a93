import pytest

from common.errors import InputError
from pipeline.options.devices import check_strategy, check_strategy_of_step

NOWHERE = ("/nowhere/*",)


@pytest.mark.parametrize("name", ["TPU_NAME", "KUBE_GOOGLE_CLOUD_TPU_ENDPOINTS", "TPU_CONFIG"])
def test_a_tpu_by_its_variable(name):
    check_strategy("tpu", {name: "local"}, files=NOWHERE)


def test_a_tpu_by_its_device_file(tmp_path):
    pattern = str(tmp_path / "accel[0-9]*")
    with pytest.raises(InputError, match=r"^--strategy tpu: found no TPU on this machine"):
        check_strategy("tpu", {}, files=(pattern,))
    (tmp_path / "accel0").touch()
    check_strategy("tpu", {}, files=(pattern,))


def test_workers_have_to_be_named():
    with pytest.raises(InputError, match=r"^--strategy multiworker: TF_CONFIG is not set"):
        check_strategy("multiworker", {}, files=NOWHERE)
    check_strategy("multiworker", {"TF_CONFIG": "{}"}, files=NOWHERE)


@pytest.mark.parametrize("strategy", ["auto", "single", "mirrored"])
def test_strategies_without_requirements(strategy):
    check_strategy(strategy, {}, files=NOWHERE)
    check_strategy_of_step(strategy)


@pytest.mark.parametrize("strategy", ["tpu", "multiworker"])
def test_a_step_is_one_machine_without_a_tpu(strategy):
    with pytest.raises(InputError, match="Trainer runs as a step, on one machine without a TPU"):
        check_strategy_of_step(strategy)
