"""The settings that the pipeline gives to Trainer and Tuner. Imports no TensorFlow.

`common.custom_config` turns them into TFX's `custom_config` and back.
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
    """The settings of a training, in Trainer as well as in each trial of Tuner.

    Attributes:
      tune: "full" trains the backbone and the head, "head" the head alone.
      classes: the class names, in the order of the model's outputs.
      hyperparameters: the options `train.…`.
      augmentation: the options `augment.…`; training images are augmented only for tune "full".
      input_range: the range of the backbone's pixels, a key of `INPUT_RANGES` of
        `backbones.input_range`.
    """

    tune: Literal["full", "head"]
    classes: tuple[str, ...]
    hyperparameters: Hyperparameters
    augmentation: Augmentation
    input_range: str = DEFAULT_RANGE

    def replace_options(self, values: Mapping[str, Any]) -> "TrainingSettings":
        """Returns a copy in which some options have other values.

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
        """Returns the settings, as JSON values, that determine the trained weights."""
        values = dataclasses.asdict(self)
        for name in OPERATIONAL:
            del values["hyperparameters"][name]
        return values


@dataclasses.dataclass(frozen=True, kw_only=True)
class TrainingInputs:
    """Fingerprints of the data and the backbone of a training. A training that was killed resumes
    from its checkpoints only if these fingerprints are the same.

    Attributes:
      source_fingerprint: fingerprint of the images.
      max_side: longest side of an image, in pixels; ImageExampleGen scales larger images down.
      max_pixels: an image with more pixels is quarantined.
      max_value: the value of white in images of more than 8 bits; 0 if the files state it.
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
      limits: the limits for images, the same as in ImageExampleGen.
      precision: the required share of correct predictions among those that the model accepts; if
        None, the model accepts all predictions.
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
      inputs: the fingerprints of the data and the backbone.
      label: the name of the training in TensorBoard; it has no effect on the model.
      checkpoints: the directory of the checkpoints of all trainings of the pipeline.
      code_fingerprint: fingerprint of `trainer.train` and all that it imports.
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
      training: the settings of each trial, apart from the options that are searched.
      label: the name of the search in TensorBoard; each trial adds the values of its options.
      trials: number of trials.
      code_fingerprint: fingerprint of `trainer.tuner` and all that it imports.
    """

    training: TrainingSettings
    label: RunLabel
    trials: int
    code_fingerprint: str
