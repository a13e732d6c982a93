"""Models on object storage -> this machine."""

import hashlib
import os
import shutil
import tempfile
from pathlib import Path

from trainer.errors import InputError


def is_remote(model: str) -> bool:
    """Whether `model` names something on object storage, such as gs://bucket/model."""
    return "://" in model and not model.startswith(("http://", "https://"))


def copied(uri: str, cache: Path) -> Path:
    """A copy of the SavedModel directory or `.npz` file at `uri`, by TensorFlow's file systems.

    It is made anew each time, as what lies there may be another one by now.

    Raises:
      InputError: nothing is there, or it cannot be read.
    """
    import tensorflow as tf

    name = f"{hashlib.sha256(uri.encode()).hexdigest()[:12]}{Path(uri).suffix}"
    target = cache / "remote" / name
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        with tempfile.TemporaryDirectory(dir=target.parent) as folder:
            new = Path(folder, name)
            if tf.io.gfile.isdir(uri):
                _copy_directory(uri, new)
            else:
                tf.io.gfile.copy(uri, str(new))
            if target.is_dir():
                shutil.rmtree(target)
            new.replace(target)
    except tf.errors.OpError as error:
        reason = " ".join(str(error).split())
        raise InputError(
            f"--model {uri}: cannot be read ({reason[:300]}); expected a SavedModel directory or "
            "an .npz file there"
        ) from error
    return target


def _copy_directory(uri: str, target: Path) -> None:
    import tensorflow as tf

    root = uri.rstrip("/")
    for parent, _, names in tf.io.gfile.walk(root):
        folder = target / os.path.relpath(parent, root)
        folder.mkdir(parents=True, exist_ok=True)
        for name in names:
            tf.io.gfile.copy(f"{parent.rstrip('/')}/{name}", str(folder / name))
