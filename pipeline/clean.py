"""The command `--clean-cache`: removes models and checkpoints that can be created again.

This module does not import TensorFlow, which takes seconds to import.
"""

import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path

from backbones.model_cache import clean_cache
from common.lock import try_lock
from pipeline.root import LOCK, OWNER


def clean(cache: Path, roots: Iterable[Path]) -> Iterator[str]:
    """Empties the cache of models, and removes the checkpoints of unfinished trainings.

    Args:
      cache: the directory of the model cache, from `backbones.resolve.cache_dir`.
      roots: pipeline roots. This function skips a pipeline root that a run is using.

    Yields:
      Lines about the removed models and checkpoints, for the console.
    """
    for folder, size in clean_cache(cache):
        yield f"removed: {folder} ({size / 1e6:.1f} MB)"
    for root in roots:
        checkpoints = root / "checkpoints"
        if not (root / OWNER).is_file() or not checkpoints.is_dir():
            continue
        lock = try_lock(root / LOCK)
        if lock is None:
            yield f"left alone: {checkpoints}: a run is using it"
            continue
        with lock:
            size = sum(file.stat().st_size for file in checkpoints.rglob("*") if file.is_file())
            shutil.rmtree(checkpoints)
            yield f"removed: {checkpoints} ({size / 1e6:.1f} MB)"
