"""The names that pipelines may have.

This module does not import TensorFlow, which takes seconds to import.
"""

from collections.abc import Mapping

from common.errors import InputError
from common.options import Check

_LONGEST = 63  # the largest number of characters that TFX allows in the name of a pipeline

# Checks of a pipeline's name that only one runner requires. For every runner, the name has at most
# `_LONGEST` characters, which are a-z, 0-9 and -.
_RUNNER_CHECKS: Mapping[str, Check] = {
    # On Vertex AI, the name of a run must start with a letter (_VALID_NAME_PATTERN in
    # google-cloud-aiplatform), and the name of a run starts with the name of the pipeline.
    "vertex": Check("a name that starts with a letter", lambda name: name[0].isalpha()),
}


def check_name(runner: str, name: str) -> None:
    """Checks that `runner` allows the name of a pipeline.

    Args:
      runner: the name of the runner.
      name: the name of the pipeline, which contains only the characters a-z, 0-9 and -.

    Raises:
      InputError: the name is too long, or `runner` requires a letter as the first character.
    """
    if len(name) > _LONGEST:
        raise InputError(
            f"--name {name}: found {len(name)} characters; expected at most {_LONGEST}; give a "
            "shorter --name (the default name is dataset-model-tune)"
        )
    check = _RUNNER_CHECKS.get(runner)
    if check and not check.holds(name):
        raise InputError(f"--name {name}: expected {check.expected}, for --runner {runner}")
