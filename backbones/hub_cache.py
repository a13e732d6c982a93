"""Finds models in TensorFlow Hub's own cache.

This module does not import TensorFlow, which takes seconds to import.
"""

import hashlib
import os
import tempfile
from pathlib import Path

from backbones.archive import is_saved_model


def find_in_hub_cache(handle: str) -> Path | None:
    """Returns the SavedModel of `handle` in TensorFlow Hub's cache, or None if the cache has no
    such model.

    By default, TensorFlow Hub's cache is in the directory for temporary files, where any user of
    the machine could put a malicious model. The function therefore returns a cached model only if
    its directory belongs to this user or root.
    """
    directory = hub_cache_directory(handle)
    if not is_saved_model(directory):
        return None
    owners = {directory.lstat().st_uid, directory.stat().st_uid}
    return directory if owners <= {os.getuid(), 0} else None


def hub_cache_directory(handle: str) -> Path:
    """Returns the directory in which TensorFlow Hub caches the SavedModel of `handle`.

    The name of the directory is the SHA-1 of the handle, as in
    `tensorflow_hub/compressed_module_resolver.py`.
    """
    cache = os.environ.get("TFHUB_CACHE_DIR") or Path(tempfile.gettempdir(), "tfhub_modules")
    return Path(cache, hashlib.sha1(handle.encode()).hexdigest())
