import subprocess
import sys

import pytest

from common.errors import InputError
from pipeline.options.config import OPTIONS
from pipeline.options.settings import Setting, check_setting


def value_of(key, value):
    return check_setting(Setting(value, f"--set {key}"), OPTIONS[key])


@pytest.mark.parametrize(
    ("key", "text", "value"),
    [
        ("augment.crop_area", "0.05", 0.05),
        ("augment.crop_area", "1", 1.0),
        ("augment.crop_area", "null", None),
        ("augment.flip", "true", True),
        ("augment.randaugment_layers", "2", 2),
        ("augment.randaugment_magnitude", "15", 15.0),
        ("augment.color_jitter", "0.4", 0.4),
        ("augment.erasing", "0.25", 0.25),
        ("augment.mixup", "0.8", 0.8),
        ("augment.cutmix", "1", 1.0),
    ],
)
def test_values_from_the_command_line(key, text, value):
    assert value_of(key, text) == value


@pytest.mark.parametrize(
    ("key", "text"),
    [
        ("augment.crop_area", "0"),
        ("augment.crop_area", "5"),
        ("augment.flip", "1"),
        ("augment.randaugment_layers", "-1"),
        ("augment.randaugment_magnitude", "31"),
        ("augment.color_jitter", "nan"),
        ("augment.erasing", "1.1"),
        ("augment.mixup", "-0.2"),
        ("augment.cutmix", "inf"),
    ],
)
def test_values_out_of_range(key, text):
    with pytest.raises(InputError, match=f"--set {key} {text}: expected"):
        value_of(key, text)


def test_importing_it_imports_no_tensorflow(project):
    code = "import sys, trainer.input.augmentation; sys.exit('tensorflow' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], cwd=project, check=True)
