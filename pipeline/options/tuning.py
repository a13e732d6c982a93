"""Refuses options that have no effect with the given `--tune`.

This module does not import TensorFlow, which takes seconds to import.
"""

from collections.abc import Mapping

from common.errors import InputError
from pipeline.recipes import RECIPES

# The options of the group `train` that affect a linear probe. Trainer computes a linear probe
# without training steps, so the other options of the group have no effect.
_LINEAR_PROBE_OPTIONS = {"head", "class_weights", "seed", "deterministic", "precision"}


def check_tune(
    recipe: str, *, tune: str, head: str, tuner: int, given: Mapping[str, str], origin: str
) -> None:
    """Checks that the recipe and all given options fit the value of `--tune`.

    Args:
      recipe: name of the recipe.
      tune: the value of `--tune`, "full" or "head".
      head: the value of `--head`, "gradient" or "linear_probe".
      tuner: number of trials in the hyperparameter search; 0 for no search.
      given: the flag or YAML key of each option that differs from the recipe, in a dictionary by
        dotted key.
      origin: the flag, or the file and key, that set the recipe.

    Raises:
      InputError: the recipe is not made for the value of `--tune`, or an option has no effect.
    """
    if RECIPES[recipe].tune != tune:
        fitting = [name for name, other in RECIPES.items() if other.tune == tune]
        raise InputError(
            f"{origin} {recipe}: this recipe is for --tune {RECIPES[recipe].tune}; expected one of "
            f"{', '.join(fitting)}"
        )
    if tune == "full":
        return
    is_probe = head == "linear_probe"
    for key, where in given.items():
        if key.startswith("augment."):
            raise InputError(
                f"{where}: has no effect with --tune head, which does not augment images; expected "
                "--tune full"
            )
        if key in ("train.layer_decay", "train.backbone_mode"):
            raise InputError(
                f"{where}: has no effect with --tune head, which does not train the backbone; "
                "expected --tune full"
            )
        group, _, name = key.partition(".")
        if is_probe and group == "train" and name not in _LINEAR_PROBE_OPTIONS:
            raise InputError(
                f"{where}: has no effect with --head linear_probe, which trains without steps; "
                "expected --head gradient"
            )
    if tuner and is_probe:
        raise InputError(
            f"{given['tuner']}: --head linear_probe has nothing to search for; expected --head "
            "gradient"
        )
