"""The settings that the pipeline passes to Transform.

This module does not import TensorFlow, which takes seconds to import.

TFX's cache key for Transform contains a fingerprint of all code that Transform imports. If this
module imported the settings of Trainer, Transform would run again after every change to their code,
such as a new option of training.
"""

import dataclasses
from typing import Literal

from backbones.input_range import DEFAULT_RANGE
from common.custom_config import node_settings


@node_settings
@dataclasses.dataclass(frozen=True, kw_only=True)
class TransformSettings:
    """The settings that Transform receives as TFX's `custom_config`; see `common.custom_config`.

    Attributes:
      tune: with "full", Transform computes pixels; with "head", it computes features of the frozen
        backbone.
      input_range: the range of pixel values that the backbone expects, as a key of
        `backbones.input_range.INPUT_RANGES`.
      check_input_range: whether Transform checks, on some training images, that `input_range` suits
        the backbone at least as well as every other range of pixel values.
      code_fingerprint: fingerprint of Transform's code.
      backbone: directory of the backbone's SavedModel. The pipeline leaves `backbone` empty, so
        that the path of the directory does not become part of Transform's cache key. The executor
        of BackboneTransform sets `backbone` when Transform runs.
    """

    tune: Literal["full", "head"]
    code_fingerprint: str
    input_range: str = DEFAULT_RANGE
    check_input_range: bool = False
    backbone: str = ""
