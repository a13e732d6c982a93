"""The settings that the pipeline passes to the node Report. This module does not import TensorFlow,
which takes seconds to import.
"""

import dataclasses

from common.custom_config import node_settings


@node_settings
@dataclasses.dataclass(frozen=True, kw_only=True)
class ReportSettings:
    """The options of a run, and the origin of its data and backbone, as its report shows them.

    Attributes:
      name: the name of the pipeline.
      model: the value of --model, without secrets.
      model_licence: licence of the backbone's weights; empty if it is not known.
      dataset: the value of --dataset, without secrets.
      dataset_licence: licence of the images; empty if it is not known.
      classes: the class names, in the order of the model's outputs.
      tune: the value of --tune, "full" or "head".
      recipe: name of the recipe.
      training: a text with the origin or purpose of the recipe, the number of epochs or steps, the
        optimizer, the batch size, the learning rate and the seed.
      differs_from_recipe: the options that differ from the recipe, as a mapping from the option's
        name, such as `train.epochs`, to the option's value and the recipe's value, as texts.
      lineage: a mapping from "images", "backbone", "training" and "code" to their fingerprints, and
        from "champion" to the URI of the record of the blessed model with which the new model is
        compared, or to "none". Values that are not known are empty.
      command: the command that repeats the run.
      options: a mapping from an option's name to its value as a text; it contains the model, the
        dataset, all training options, and all other options that differ from their defaults.
    """

    name: str
    model: str
    model_licence: str
    dataset: str
    dataset_licence: str
    classes: tuple[str, ...]
    tune: str
    recipe: str
    training: str
    differs_from_recipe: dict[str, tuple[str, str]]
    lineage: dict[str, str]
    command: str
    options: dict[str, str]
