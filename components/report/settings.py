"""The settings that the pipeline gives to Report, in addition to the artifacts of other nodes.
Imports no TensorFlow.
"""

import dataclasses

from common.custom_config import node_settings


@node_settings
@dataclasses.dataclass(frozen=True, kw_only=True)
class ReportSettings:
    """The options of a run for its report, and the origin of its data and of its backbone.

    Attributes:
      name: the name of the pipeline.
      model: the value of --model, without secrets.
      model_licence: licence of the backbone's weights; empty if it is not known.
      dataset: the value of --dataset, without secrets.
      dataset_licence: licence of the images; empty if it is not known.
      classes: the class names, in the order of the model's outputs.
      tune: "full" or "head".
      recipe: name of the recipe.
      training: the recipe in words.
      beside_recipe: the options that differ from the recipe, by dotted key: their value and the
        recipe's value, as texts.
      lineage: fingerprints and other facts about the inputs of the run, by name.
      command: the command that repeats the run.
      options: all options of the training, and other options that differ from their defaults, as
        texts, by dotted key.
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
    beside_recipe: dict[str, tuple[str, str]]
    lineage: dict[str, str]
    command: str
    options: dict[str, str]
