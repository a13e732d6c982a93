"""The names that pipelines may have.

This module does not import TensorFlow, to keep the command line fast.
"""

from collections.abc import Mapping

from common.errors import InputError
from common.options import Check

_LONGEST = 63  # largest length of a name that TFX allows for a pipeline

# Further conditions of a runner on the name of a pipeline, which consists of a-z, 0-9 and -.
_RUNNER_CHECKS: Mapping[str, Check] = {
    # The name of a run begins with the pipeline's name (_VALID_NAME_PATTERN of
    # google-cloud-aiplatform).
    "vertex": Check("a name that starts with a letter", lambda name: name[0].isalpha()),
}


def check_name(runner: str, name: str) -> None:
    """Checks that a pipeline of `runner` can have a name, which consists of a-z, 0-9 and -.

    Raises:
      InputError: the name is too long, or does not begin with a letter although `runner` requires
        it.
    """
    if len(name) > _LONGEST:
        raise InputError(
            f"--name {name}: found {len(name)} letters; expected at most {_LONGEST}; give a "
            "shorter --name (the default name is dataset-model-tune)"
        )
    check = _RUNNER_CHECKS.get(runner)
    if check and not check.holds(name):
        raise InputError(f"--name {name}: expected {check.expected}, for --runner {runner}")
