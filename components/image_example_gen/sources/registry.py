"""Makes a source of the kind that a dataset's entry names.

A kind's module is imported when such a source is made, so that no run depends on the code of kinds
that it does not use.
"""

import importlib
import json
from collections.abc import Mapping
from typing import Any

from components.image_example_gen.sources.base import Source
from components.image_example_gen.sources.kinds import KINDS


def make_source(specification: Mapping[str, Any] | str) -> Source:
    """The source that `specification` describes.

    Args:
      specification: `{"kind": …}` and the arguments of that kind's class, or the same as JSON.
    """
    given = specification
    arguments = json.loads(given) if isinstance(given, str) else dict(given)
    module, _, name = KINDS[arguments.pop("kind")].rpartition(".")
    return getattr(importlib.import_module(module), name)(**arguments)
