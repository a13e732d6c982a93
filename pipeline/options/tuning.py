"""What each way of tuning has a use for. Imports no TensorFlow."""

from collections.abc import Mapping

from common.errors import InputError
from pipeline.recipes import RECIPES

# Of the options `train.…`: what the linear probe, without steps, looks at, or what may be said of
# any training.
_OF_PROBE = {"head", "class_weights", "seed", "deterministic", "precision"}


def check_tune(
    recipe: str, *, tune: str, head: str, tuner: int, given: Mapping[str, str], origin: str
) -> None:
    """Refuses a recipe and options that are for another way of tuning, and would do nothing.

    Args:
      recipe: its name.
      tune: "full" or "head".
      head: "gradient" or "linear_probe".
      tuner: trials of a search for hyperparameters.
      given: where each option that is not as the recipe has it was given, by dotted key.
      origin: where the recipe was given.

    Raises:
      InputError: there is such a recipe or option.
    """
    if RECIPES[recipe].tune != tune:
        fitting = [name for name, other in RECIPES.items() if other.tune == tune]
        raise InputError(
            f"{origin} {recipe}: is for --tune {RECIPES[recipe].tune}; expected one of "
            f"{', '.join(fitting)}"
        )
    if tune == "full":
        return
    is_probe = head == "linear_probe"
    for key, where in given.items():
        if key.startswith("augment."):
            raise InputError(
                f"{where}: --tune head sees each image once, as it is; expected --tune full, which "
                "augments"
            )
        if key in ("train.layer_decay", "train.backbone_mode"):
            raise InputError(
                f"{where}: --tune head leaves the backbone as it is; expected --tune full, which "
                "trains it"
            )
        if is_probe and key.startswith("train.") and key.removeprefix("train.") not in _OF_PROBE:
            raise InputError(
                f"{where}: --head linear_probe trains in no steps, and has no use for it; expected "
                "--head gradient"
            )
    if tuner and is_probe:
        raise InputError(
            f"{given['tuner']}: --head linear_probe has nothing to search for; expected --head "
            "gradient"
        )
