"""The settings that the pipeline passes to Transform.

This module does not import TensorFlow, so that importing the module is fast.

The settings of Transform and Trainer are in different modules, so that Transform does not import
the settings of Trainer. The reason is that Transform's cache key contains a fingerprint of all code
that Transform imports. If Transform imported the settings of Trainer, every new training option
would make Transform run again.
"""

import dataclasses
from typing import Literal

from backbones.input_range import DEFAULT_RANGE
from common.custom_config import node_settings


@node_settings
@dataclasses.dataclass(frozen=True, kw_only=True)
class TransformSettings:
    """The settings of Transform, as `custom_config`; see `common.custom_config`.

    Attributes:
      tune: with "full", Transform computes pixels; with "head", it computes features of the frozen
        backbone.
      input_range: the range of the backbone's pixels, a key of `INPUT_RANGES` of
        `backbones.input_range`.
      check_input_range: whether Transform checks, on some training images, that no other range of
        pixel values suits the backbone better.
      code_fingerprint: fingerprint of Transform's code.
      backbone: directory of the backbone's SavedModel. The pipeline leaves this setting empty,
        because the directory must not be part of the cache key. The executor of BackboneTransform
        sets the directory.
    """

    tune: Literal["full", "head"]
    code_fingerprint: str
    input_range: str = DEFAULT_RANGE
    check_input_range: bool = False
    backbone: str = ""
