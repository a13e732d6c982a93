"""Copies models from object storage to this machine."""

import hashlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from backbones.digests import check_kept_model, digest_of, remember_digest
from backbones.model_cache import use_entry
from common.buckets import check_reachable
from common.errors import InputError, UnreachableError
from common.lock import hold_lock


def download_from_bucket(uri: str, cache: Path) -> Path:
    """Copies the SavedModel directory or `.npz` file at `uri`, with TensorFlow's file systems.

    Each call lists the files in the bucket. If the name, the size or the modification time of any
    file has changed since the last copy, the call copies all files again. `backbones.model_cache`
    keeps older copies for a while, because a run may still read them.

    Returns:
      The path of the copy.

    Raises:
      InputError: there is no file or directory at `uri`, or it cannot be read.
    """
    import tensorflow as tf

    uri = uri.rstrip("/")
    key = hashlib.sha256(uri.encode()).hexdigest()[:12]
    parent = cache / "remote"
    try:
        check_reachable("--model", uri)
        with hold_lock(parent / key):
            files = dict(_files(uri))
            target = parent / f"{key}-{_version(files)}{Path(uri).suffix}"
            if not target.exists():
                with tempfile.TemporaryDirectory(prefix=f".{key}.", dir=parent) as folder:
                    new = Path(folder, target.name)
                    for name in files:
                        _check_name(uri, name)
                        path = new / name
                        path.parent.mkdir(parents=True, exist_ok=True)
                        tf.io.gfile.copy(_join(uri, name), str(path))
                    remember_digest(target, digest_of(new))
                    new.replace(target)
            else:
                check_kept_model(target)
            return use_entry(target)
    except UnreachableError as error:
        raise InputError(str(error)) from error
    except tf.errors.OpError as error:
        reason = " ".join(str(error).split())
        raise InputError(
            f"--model {uri}: cannot be read ({reason[:300]}); expected a SavedModel directory or "
            "an .npz file there"
        ) from error


def _check_name(uri: str, name: str) -> None:
    """Refuses a name that leads out of the target directory, as a name with `..` may do."""
    if ".." in name.split("/") or name.startswith("/"):
        raise InputError(
            f"--model {uri}: has an object {name}; expected names without .. below that address"
        )


def _files(uri: str) -> Iterator[tuple[str, str]]:
    """Yields each file's path relative to `uri`, and a string of its size and modification time.

    If `uri` is the address of a single file, the relative path of this file is "".
    """
    import tensorflow as tf

    names = [""]
    if tf.io.gfile.isdir(uri):
        names = [
            os.path.relpath(_join(folder.rstrip("/"), name), uri)
            for folder, _, names in tf.io.gfile.walk(uri)
            for name in names
        ]
    for name in sorted(names):
        stat = tf.io.gfile.stat(_join(uri, name))
        yield name, f"{stat.length} {stat.mtime_nsec}"


def _version(files: dict[str, str]) -> str:
    digest = hashlib.sha256()
    for name, version in files.items():
        digest.update(f"\0{name}\0{version}".encode())
    return digest.hexdigest()[:12]


def _join(uri: str, name: str) -> str:
    return f"{uri}/{name}" if name else uri
