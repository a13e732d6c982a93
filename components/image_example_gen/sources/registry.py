"""Creates a `Source` of images from its specification.

Only the module of the requested source is imported, so a run does not depend on the code of other
sources.
"""

import importlib
import json
from collections.abc import Mapping
from typing import Any

from components.image_example_gen.sources.base import Source
from components.image_example_gen.sources.kinds import KINDS
from components.image_example_gen.sources.without_duplicates import WithoutDuplicates

DROP_DUPLICATES = "drop_duplicates"


def make_source(specification: Mapping[str, Any] | str) -> Source:
    """Creates the `Source` that `specification` describes.

    Args:
      specification: a mapping, or its JSON text. The key `kind` names the kind of source. If the
        key `drop_duplicates` is true, copies of images are removed. The constructor of the source
        gets all keys except `kind` and `drop_duplicates` as keyword arguments.
    """
    given = specification
    arguments = json.loads(given) if isinstance(given, str) else dict(given)
    drop_duplicates = arguments.pop(DROP_DUPLICATES, False)
    module, _, name = KINDS[arguments.pop("kind")].rpartition(".")
    source: Source = getattr(importlib.import_module(module), name)(**arguments)
    return WithoutDuplicates(source) if drop_duplicates else source
