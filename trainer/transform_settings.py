"""The settings that the pipeline gives to Transform. Imports no TensorFlow.

The settings of Transform have their own module, apart from the settings of Trainer. Transform's
cache key has a fingerprint of all code that Transform imports, and a new option of training must
not make Transform run again.
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
      check_input_range: whether Transform compares the possible ranges on some training images.
      code_fingerprint: fingerprint of Transform's code.
      backbone: directory of the backbone's SavedModel. The execution properties are part of the
        cache key, so they contain an empty text instead; the executor of BackboneTransform sets the
        directory.
    """

    tune: Literal["full", "head"]
    code_fingerprint: str
    input_range: str = DEFAULT_RANGE
    check_input_range: bool = False
    backbone: str = ""
