"""The settings that the pipeline passes to Trainer and Tuner.

This module does not import TensorFlow, which takes seconds to import.

`common.custom_config` converts the settings to TFX's `custom_config`, and back.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any, Literal

from backbones.input_range import DEFAULT_RANGE
from common.custom_config import node_settings
from trainer.decoding.limits import Limits
from trainer.input.augmentation import Augmentation
from trainer.training.hyperparameters import OPERATIONAL, Hyperparameters
from trainer.training.run_label import RunLabel


@dataclasses.dataclass(frozen=True, kw_only=True)
class TrainingSettings:
    """The settings of a training in Trainer or in a trial of Tuner.

    Attributes:
      tune: with "full", the backbone and the head are trained; with "head", only the head is
        trained.
      classes: the class names, in the order of the model's outputs.
      hyperparameters: the options whose keys begin with `train.`.
      augmentation: the options whose keys begin with `augment.`, which have an effect only with
        tune "full".
      input_range: the range of pixel values that the backbone expects, as a key of
        `backbones.input_range.INPUT_RANGES`.
    """

    tune: Literal["full", "head"]
    classes: tuple[str, ...]
    hyperparameters: Hyperparameters
    augmentation: Augmentation
    input_range: str = DEFAULT_RANGE

    def replace_options(self, values: Mapping[str, Any]) -> "TrainingSettings":
        """Returns a copy of the settings in which some options have new values.

        Args:
          values: the new values, by key, such as `train.learning_rate`.
        """

        def group(prefix: str) -> dict[str, Any]:
            start = f"{prefix}."
            return {k.removeprefix(start): v for k, v in values.items() if k.startswith(start)}

        return dataclasses.replace(
            self,
            hyperparameters=dataclasses.replace(self.hyperparameters, **group("train")),
            augmentation=dataclasses.replace(self.augmentation, **group("augment")),
        )

    def values_that_determine_weights(self) -> dict[str, Any]:
        """Returns all settings that have an effect on the trained weights, as JSON values."""
        values = dataclasses.asdict(self)
        for name in OPERATIONAL:
            del values["hyperparameters"][name]
        return values


@dataclasses.dataclass(frozen=True, kw_only=True)
class TrainingInputs:
    """The fingerprints and settings that determine the inputs of a training.

    A killed training resumes from its checkpoints only if all values of the TrainingInputs are the
    same as before.

    Attributes:
      source_fingerprint: fingerprint of the images.
      max_side: the longest allowed side of an image, in pixels; ImageExampleGen scales larger
        images down.
      max_pixels: the largest allowed number of pixels of an image; ImageExampleGen quarantines
        larger images.
      max_value: the pixel value of white in images of more than 8 bits per channel; 0 if the value
        of white is read from each file.
      examples_code: fingerprint of ImageExampleGen's code.
      transform_code: fingerprint of Transform's code.
      backbone_fingerprint: fingerprint of the backbone's SavedModel.
      split_by: the value of `ingest.split_by`, an option of ImageExampleGen.
    """

    source_fingerprint: str
    max_side: int
    max_pixels: int
    max_value: int
    examples_code: str
    transform_code: str
    backbone_fingerprint: str
    split_by: str = "content"


@dataclasses.dataclass(frozen=True, kw_only=True)
class ServingSettings:
    """The settings of the exported model.

    Attributes:
      limits: the limits for the sizes of images, which are the same as in ImageExampleGen.
      precision: the required share of correct predictions among the accepted predictions; if None,
        the model accepts all predictions.
    """

    limits: Limits
    precision: float | None


@node_settings
@dataclasses.dataclass(frozen=True, kw_only=True)
class TrainerSettings:
    """The settings of Trainer.

    Attributes:
      training: the settings of the training.
      serving: the settings of the exported model.
      inputs: the fingerprints of the training's inputs.
      label: the name of the training in TensorBoard; it has no effect on the model.
      checkpoints: the directory that contains the checkpoints of all the pipeline's trainings.
      code_fingerprint: fingerprint of the code of `trainer.train` and of all modules that it
        imports.
    """

    training: TrainingSettings
    serving: ServingSettings
    inputs: TrainingInputs
    label: RunLabel
    checkpoints: str
    code_fingerprint: str


@node_settings
@dataclasses.dataclass(frozen=True, kw_only=True)
class TunerSettings:
    """The settings of Tuner.

    Attributes:
      training: the settings of all trials, except the options that the search varies.
      label: the name of the search in TensorBoard. The name of each trial consists of the name of
        the search, the trial's id and the values of the trial's options.
      trials: number of trials.
      code_fingerprint: fingerprint of the code of `trainer.tuner` and of all modules that it
        imports.
    """

    training: TrainingSettings
    label: RunLabel
    trials: int
    code_fingerprint: str
