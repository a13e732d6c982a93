"""Makes sources of images by the name of their kind.

The module of a kind is imported only when such a source is made, so that a run does not depend on
the code of other kinds.
"""

import importlib
import json
from collections.abc import Mapping
from typing import Any

from components.image_example_gen.sources.base import Source
from components.image_example_gen.sources.kinds import KINDS


def make_source(specification: Mapping[str, Any] | str) -> Source:
    """Makes the source that `specification` describes.

    Args:
      specification: a mapping with the key `kind` and the arguments of that kind's class; or the
        mapping as JSON.
    """
    given = specification
    arguments = json.loads(given) if isinstance(given, str) else dict(given)
    module, _, name = KINDS[arguments.pop("kind")].rpartition(".")
    return getattr(importlib.import_module(module), name)(**arguments)
