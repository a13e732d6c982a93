"""Whatever `--model` says -> a SavedModel directory on disk, under the backbone contract."""

import fcntl
import hashlib
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from trainer import fingerprint
from trainer.catalogue import MODELS, Model, Task
from trainer.errors import InputError

_DOWNLOAD_TIMEOUT = 20  # seconds without an answer after which a download is given up
_KINDS: dict[Task, str] = {"fe": "feature extractor", "classification": "classifier"}


def cache_dir() -> Path:
    """Where models are kept: $VIT_HOME, by default below the user's cache directory."""
    home = os.environ.get("VIT_HOME")
    if home:
        return Path(home)
    return Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "vit-pipeline"


def check_model(model: str, weights: str, *, task: Task = "fe") -> None:
    """Refuses at once, without TensorFlow, a model that cannot be resolved.

    Raises:
      InputError: neither the name of a catalogue model for `task`, nor a URL, nor an existing
        `.npz` file or SavedModel.
    """
    if model in MODELS:
        if MODELS[model].task != task:
            raise InputError(
                f"--model {model}: is a {_KINDS[MODELS[model].task]}; expected a {_KINDS[task]}, "
                f"such as {_counterpart(model, task)}"
            )
        return
    if weights == "random":
        raise InputError(
            f"--weights random: expected a catalogue name as --model (see --list-models), "
            f"found {model}"
        )
    if _is_url(model):
        return
    path = Path(model)
    if path.suffix == ".npz" and path.is_file():
        return
    if not path.exists():
        raise InputError(
            f"--model {model}: no such model in the catalogue and no such path; expected a name "
            "from --list-models, a SavedModel directory, a URL or an .npz file"
        )
    if not (path / "saved_model.pb").is_file():
        raise InputError(
            f"--model {model}: no SavedModel (there is no saved_model.pb in it); expected a "
            "directory that tf.saved_model.save wrote"
        )


def resolve(model: str, *, weights: str, cache: Path, task: Task = "fe") -> Path:
    """The SavedModel directory that `model` names.

    Args:
      model: a catalogue name, a SavedModel directory, a URL, or an AugReg `.npz` file.
      weights: "pretrained", or "random" for the catalogue's architecture, untrained.
      cache: directory for what is downloaded, converted or made.
      task: what an `.npz` file is converted to; a catalogue name says itself what it is.

    Returns:
      An absolute path.

    Raises:
      InputError: it cannot be had; the message lists what was tried.
    """
    if model in MODELS:
        entry = MODELS[model]
        if weights == "random" or entry.variant.checkpoint is None:
            return _made(entry, cache)
        return _downloaded(entry, cache)
    if _is_url(model):
        return _fetched(model)
    path = Path(model).resolve()
    return _converted(path, cache, task) if path.suffix == ".npz" else path


def is_cached(entry: Model, cache: Path) -> bool:
    """Whether the weights of `entry` are on this machine, or need not be had."""
    return entry.variant.checkpoint is None or _is_saved_model(cache / "models" / entry.name)


def _counterpart(model: str, task: Task) -> str:
    """The same variant for `task`; another one where there is none."""
    name = f"{model.rsplit('_', 1)[0]}_{task}"
    return name if name in MODELS else f"vit_b16_{task}"


def _is_url(model: str) -> bool:
    return model.startswith(("http://", "https://"))


def _is_saved_model(directory: Path) -> bool:
    return (directory / "saved_model.pb").is_file()


def _made(entry: Model, cache: Path) -> Path:
    """The architecture of `entry` with random weights from a fixed seed."""
    from trainer.augreg.convert import convert
    from trainer.augreg.initialization import random_arrays

    code = fingerprint.of_code("trainer.augreg.convert", "trainer.augreg.initialization")
    directory = cache / "random" / f"{entry.name}-{code[:12]}"
    with _locked(directory):
        if not _is_saved_model(directory):
            convert(random_arrays(entry.architecture, seed=0), directory, task=entry.task)
    return directory


def _converted(checkpoint: Path, cache: Path, task: Task) -> Path:
    """The SavedModel of an AugReg checkpoint."""
    from trainer.augreg.checkpoint import load_checkpoint
    from trainer.augreg.convert import convert

    with checkpoint.open("rb") as file:
        content = hashlib.file_digest(file, "sha256").hexdigest()
    directory = cache / "converted" / f"{checkpoint.stem}-{task}-{content[:12]}"
    with _locked(directory):
        if not _is_saved_model(directory):
            convert(load_checkpoint(checkpoint), directory, task=task)
    return directory


def _downloaded(entry: Model, cache: Path) -> Path:
    """The published SavedModel of `entry`: from our cache, else from TF-Hub."""
    own = cache / "models" / entry.name
    if _is_saved_model(own):
        return own
    assert entry.handle is not None
    try:
        return _fetched(entry.handle)
    except InputError as error:
        raise InputError(
            f"--model {entry.name}: its weights are not on this machine and could not be had. "
            f"Tried {own} (no SavedModel), {error}.\n"
            f"Put its SavedModel into {own}, or give --model its path or its AugReg .npz "
            f"(gs://vit_models/augreg/{entry.variant.checkpoint}); --weights random tries the "
            "pipeline untrained."
        ) from error


def _fetched(url: str) -> Path:
    """A SavedModel by TensorFlow Hub, which caches it and unpacks it atomically."""
    import tensorflow_hub as hub

    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(_DOWNLOAD_TIMEOUT)
    try:
        directory = Path(hub.resolve(url))
    except (OSError, ValueError) as error:  # unreachable, cut off, no archive
        reason = " ".join(str(error).split())
        raise InputError(f"{url} ({reason})") from error
    finally:
        socket.setdefaulttimeout(before)
    if not _is_saved_model(directory):
        raise InputError(f"{url}: what it answered is no SavedModel")
    return directory


@contextmanager
def _locked(directory: Path) -> Iterator[None]:
    """Two processes that make the same directory make it once."""
    directory.parent.mkdir(parents=True, exist_ok=True)
    with (directory.parent / f".{directory.name}.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
