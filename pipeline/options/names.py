"""Checks the names of pipelines. Imports no TensorFlow."""

from collections.abc import Mapping

from common.errors import InputError
from common.options import Check

_LONGEST = 63  # letters; TFX refuses longer names

# Checks for single runners; every name consists of a-z, 0-9 and -.
_RUNNER_CHECKS: Mapping[str, Check] = {
    # Vertex AI derives the ids of runs from the name of the pipeline, by _VALID_NAME_PATTERN of
    # google-cloud-aiplatform.
    "vertex": Check("a name that starts with a letter", lambda name: name[0].isalpha()),
}


def check_name(runner: str, name: str) -> None:
    """Checks that a pipeline of `runner` can have a name, which consists of a-z, 0-9 and -.

    Raises:
      InputError: the name is too long, or starts with a character that the runner refuses.
    """
    if len(name) > _LONGEST:
        raise InputError(
            f"--name {name}: found {len(name)} letters; expected at most {_LONGEST}; give a "
            "shorter --name (by default it is dataset-model-tune)"
        )
    check = _RUNNER_CHECKS.get(runner)
    if check and not check.holds(name):
        raise InputError(f"--name {name}: expected {check.expected}, for --runner {runner}")
