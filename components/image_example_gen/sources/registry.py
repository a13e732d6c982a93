"""The kinds of sources, by the name that a dataset's entry gives."""

import json
from collections.abc import Mapping
from typing import Any

from components.image_example_gen.sources.base import Source
from components.image_example_gen.sources.digits import DigitsSource
from components.image_example_gen.sources.folder import FolderSource
from components.image_example_gen.sources.remote_folder import RemoteFolderSource
from components.image_example_gen.sources.tfds import TfdsSource

KINDS: Mapping[str, type[Source]] = {
    "digits": DigitsSource,
    "folder": FolderSource,
    "remote_folder": RemoteFolderSource,
    "tfds": TfdsSource,
}


def make_source(specification: Mapping[str, Any] | str) -> Source:
    """The source that `specification` describes.

    Args:
      specification: `{"kind": …}` and the arguments of that kind's class, or the same as JSON.
    """
    given = specification
    arguments = json.loads(given) if isinstance(given, str) else dict(given)
    return KINDS[arguments.pop("kind")](**arguments)
