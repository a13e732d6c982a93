"""What pipelines may be called. Imports no TensorFlow."""

from collections.abc import Mapping

from common.errors import InputError
from common.options import Check

_LONGEST = 63  # letters; TFX makes no pipeline of a longer name

# What a runner expects of a name beyond a-z, 0-9 and -.
_OF_RUNNERS: Mapping[str, Check] = {
    # Its runs are called after the pipeline (_VALID_NAME_PATTERN of google-cloud-aiplatform).
    "vertex": Check("a letter first", lambda name: name[0].isalpha()),
}


def check_name(runner: str, name: str) -> None:
    """Refuses a name, of a-z, 0-9 and -, that a pipeline of `runner` cannot have.

    Raises:
      InputError: it is too long, or begins with what it must not.
    """
    if len(name) > _LONGEST:
        raise InputError(
            f"--name {name}: found {len(name)} letters; expected at most {_LONGEST}: give a name, "
            "if this one is made of dataset, model and tune"
        )
    check = _OF_RUNNERS.get(runner)
    if check and not check.holds(name):
        raise InputError(f"--name {name}: expected, for {runner}, {check.expected}")
