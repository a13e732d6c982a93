"""Turns the value of `--model` into a SavedModel directory that satisfies the backbone contract."""

import contextlib
import functools
import os
import zipfile
from pathlib import Path
from typing import Any

from backbones import publishers
from backbones.archive import is_saved_model
from backbones.augreg.architecture import Precision, Task
from backbones.bucket import download_from_bucket
from backbones.catalogue import MODELS, Model
from backbones.conversion import convert_checkpoint, make_random_model
from backbones.digests import check_kept_model
from backbones.download import DownloadError
from backbones.fetch import convert_downloaded, fetch_checkpoint, fetch_saved_model
from backbones.hub_cache import find_in_hub_cache
from backbones.keras_models import HOW_TO_CONVERT, is_keras_file
from backbones.limits import Admission, max_model_bytes
from backbones.publishers import PUBLIC, DownloadLocations
from backbones.reference import exists, parse_model
from common.buckets import TENSORFLOW_SCHEMES, check_scheme
from common.errors import InputError, did_you_mean
from common.lock import hold_lock

_TASKS = {"fe": "feature extractor", "classification": "classifier"}


def cache_dir() -> Path:
    """Returns the cache directory for models: $VIT_HOME, or a folder in the user's own cache.

    Raises:
      InputError: $VIT_HOME is not set, and the user has no home directory.
    """
    home, caches = (os.environ.get(name) for name in ("VIT_HOME", "XDG_CACHE_HOME"))
    try:
        if home:
            return Path(home).expanduser()
        return Path(caches or Path.home() / ".cache", "vit-pipeline").expanduser()
    except RuntimeError as error:
        raise InputError(
            "this user has no home directory; expected a directory for models; set VIT_HOME to a "
            "directory"
        ) from error


def check_model(model: str, weights: str, *, task: Task = "fe") -> None:
    """Checks the value of `--model` quickly, without TensorFlow and without the network.

    Args:
      model: the value of `--model`, as for `resolve`.
      weights: "pretrained" or "random".
      task: the required task if `model` is a catalogue name: "fe" for a feature extractor, which
        the pipeline needs, or "classification" for a classifier.

    Raises:
      InputError: `model` is not a catalogue name, an address, or the path of a SavedModel or `.npz`
        file; or the catalogue lists `model` under another task than `task`.
    """
    reference = parse_model(model)
    if reference.kind == "name":
        _check_task(MODELS[model], task)
        return
    if weights == "random":
        raise InputError(
            f"--weights random: expected a catalogue name as --model (see --list-models), "
            f"found {model}"
        )
    if reference.kind == "bucket":
        check_scheme("--model", model, TENSORFLOW_SCHEMES, "a SavedModel directory in gs://…")
        return
    if reference.kind == "address":
        publishers.check_address(model)
        return
    path = Path(model)
    if not exists(model):
        meant = did_you_mean(model.replace("-", "_"), MODELS)
        raise InputError(
            f"--model {model}: no such model in the catalogue and no such path; expected a name "
            "from --list-models, a SavedModel directory, a URL, a Kaggle handle or an .npz file"
            + (f"; {meant}" if meant else "")
        )
    if path.is_file() and reference.is_checkpoint:
        return
    if is_keras_file(path):
        raise InputError(
            f"--model {model}: is a Keras file; expected a SavedModel with the reusable "
            f"interface of TF-Hub feature vectors: {HOW_TO_CONVERT}"
        )
    if not is_saved_model(path):
        raise InputError(
            f"--model {model}: no SavedModel (there is no saved_model.pb in it); expected a "
            "directory that tf.saved_model.save wrote" + _mean_version(path)
        )


def _mean_version(path: Path) -> str:
    """Returns a hint at the newest version if `path` is a serving directory; otherwise empty."""
    folders = (f for f in path.glob("[0-9]*") if f.name.isascii() and f.name.isdecimal())
    with contextlib.suppress(OSError):  # a folder without read permission gives no hint
        if versions := [folder for folder in folders if is_saved_model(folder)]:
            return f"; did you mean {max(versions, key=lambda folder: int(folder.name))}?"
    return ""


def resolve(
    model: str,
    *,
    weights: str,
    cache: Path,
    locations: DownloadLocations = PUBLIC,
    task: Task = "fe",
    precision: Precision = "float32",
    trusted: bool = False,
) -> Path:
    """Returns the SavedModel directory that `model` names; downloads or converts it if needed.

    Args:
      model: a catalogue name, for either task; a SavedModel directory; an AugReg `.npz` file; a
        Kaggle handle or page; a TF-Hub handle; the address (http, https or gs) of a SavedModel's
        tar archive or of an `.npz` file; a directory in a bucket (gs).
      weights: "pretrained", or "random" for an untrained model with the catalogue's architecture.
      cache: the cache directory. The folder `models/<catalogue name>` in the cache directory holds
        a SavedModel of the catalogue, which was downloaded by this function or put there by the
        user. The folder `checkpoints` holds AugReg checkpoints of the catalogue, `downloaded` holds
        models from URLs and handles, `remote` holds copies from buckets, and `converted` and
        `random` hold SavedModels that this function creates.
      locations: the hosts from which models are downloaded.
      task: the kind of model that is created from an `.npz` file: "fe" (a feature extractor) or
        "classification" (a classifier).
      precision: the precision of matrix products in a SavedModel that this function creates. For
        mixed precision, a model of the catalogue is converted from its checkpoint, because the
        precision of a published SavedModel cannot be changed. Any other SavedModel keeps its own
        precision.
      trusted: whether the graph of a downloaded SavedModel may contain operations that access
        files, the network or Python. This function checks the graph only if it downloads the
        SavedModel as an archive. To check any other SavedModel, call
        `backbones.admission.check_backbone`.

    Returns:
      An absolute path.

    Raises:
      InputError: the model is neither on this machine nor on one of the hosts; the message lists
        all places that were tried.
    """
    cache = cache.absolute()
    admission = Admission(max_bytes=max_model_bytes(), trusted=trusted)
    reference = parse_model(model)
    try:
        if reference.kind == "name":
            entry = MODELS[model]
            if reference.is_untrained(weights):
                return make_random_model(entry, cache, precision=precision)
            if precision != "float32":
                return _from_checkpoint(entry, cache, locations, precision)
            return _resolve_published(entry, cache, locations, admission)
        if reference.kind == "address":
            return _from_address(
                model, cache, locations, task=task, precision=precision, admission=admission
            )
        is_copied = reference.kind == "bucket"
        path = download_from_bucket(model, cache) if is_copied else Path(model).resolve()
        if path.is_dir():
            return path
        return convert_checkpoint(path, cache, task=task, precision=precision)
    except OSError as error:
        if not _is_cache_or_inside(cache, error.filename):
            raise InputError(f"--model {model}: {error}; expected a readable path") from error
        raise InputError(
            f"--model {model}: {error}; expected a writable directory {cache}; "
            "set VIT_HOME to another one"
        ) from error


def is_cached(entry: Model, cache: Path) -> bool:
    """Whether `entry` needs no download: its weights are on this machine, or are not published."""
    if entry.variant.checkpoint is None:
        return True
    # Without reading the whole file, `is_zipfile` detects a truncated checkpoint, or a web page
    # that a server sent instead of the checkpoint.
    return _find_in_caches(entry, cache) is not None or zipfile.is_zipfile(
        _checkpoint(entry, cache)
    )


def _is_cache_or_inside(cache: Path, file: str | None) -> bool:
    """Whether an OSError comes from the cache directory, rather than from the user's model.

    The result is True if `file`, the file name in the OSError, is the cache directory, a path
    inside the cache directory, or one of its parent directories. The result is also True if the
    OSError has no file name (`file` is None).
    """
    path = Path(file or cache)
    return path.is_relative_to(cache) or cache.is_relative_to(path)


def _check_task(entry: Model, task: Task) -> None:
    if entry.task == task:
        return
    other = f"{entry.name.removesuffix('_' + entry.task)}_{task}"
    raise InputError(
        f"--model {entry.name}: is a {_TASKS[entry.task]}; expected a {_TASKS[task]}, such as "
        f"{other if other in MODELS else f'vit_b16_{task}'}"
    )


def _find_in_caches(entry: Model, cache: Path) -> Path | None:
    """Finds the SavedModel of `entry` in the cache of this project or in the cache of TF-Hub."""
    assert entry.handle is not None
    own = cache / "models" / entry.name
    return own if is_saved_model(own) else find_in_hub_cache(entry.handle)


def _checkpoint(entry: Model, cache: Path) -> Path:
    assert entry.variant.checkpoint is not None
    return cache / "checkpoints" / entry.variant.checkpoint


def _resolve_published(
    entry: Model, cache: Path, locations: DownloadLocations, admission: Admission
) -> Path:
    """Returns the SavedModel of `entry`, from a cache or from the first host that has it."""
    here = _find_in_caches(entry, cache)
    if here:
        check_kept_model(here)
        return here
    own = cache / "models" / entry.name
    with hold_lock(own):
        # Another process may have downloaded the model while this process waited for the lock.
        here = _find_in_caches(entry, cache)
        if here:
            return here
        if own.is_dir() and any(own.iterdir()):
            raise InputError(
                f"--model {entry.name}: {own} has files, but no saved_model.pb; expected a "
                "SavedModel; put it there, or remove the directory to download the model"
            )
        return _from_published_locations(entry, cache, locations, admission)


def _from_published_locations(
    entry: Model, cache: Path, locations: DownloadLocations, admission: Admission
) -> Path:
    own, checkpoint = cache / "models" / entry.name, _checkpoint(entry, cache)
    tried = [f"{own} (no SavedModel)"]
    ways = [
        functools.partial(_from_archive, url, entry, cache, admission)
        for url in locations.archives(entry)
    ]
    if checkpoint.is_file():
        # Try a checkpoint that is already in the cache before any download.
        ways.insert(
            0, functools.partial(convert_downloaded, checkpoint, cache, **_conversion(entry))
        )
    for way in (*ways, functools.partial(_from_checkpoint, entry, cache, locations, "float32")):
        try:
            return way()
        except InputError as error:
            tried.append(str(error))
    raise InputError(
        f"--model {entry.name}: its weights are not on this machine and cannot be downloaded. "
        f"Tried {'; '.join(tried)}. "
        f"Put its SavedModel into {own}, or give --model its path or its AugReg .npz "
        f"(gs://vit_models/augreg/{checkpoint.name}); --weights random runs the "
        "pipeline with an untrained model."
    )


def _from_archive(url: str, entry: Model, cache: Path, admission: Admission) -> Path:
    own = cache / "models" / entry.name
    fetch_saved_model(url, own, cache, name=entry.name, admission=admission)
    return own


def _from_checkpoint(
    entry: Model, cache: Path, locations: DownloadLocations, precision: Precision
) -> Path:
    checkpoint = _checkpoint(entry, cache)
    return fetch_checkpoint(
        locations.checkpoint(checkpoint.name),
        checkpoint,
        cache,
        name=entry.name,
        precision=precision,
        **_conversion(entry),
    )


def _conversion(entry: Model) -> dict[str, Any]:
    """Returns the arguments for converting the checkpoint of `entry`."""
    return {
        "task": entry.task,
        "expected": entry.variant.architecture,
        "sha256": entry.variant.sha256,
    }


def _from_address(
    model: str,
    cache: Path,
    locations: DownloadLocations,
    *,
    task: Task,
    precision: Precision,
    admission: Admission,
) -> Path:
    url = locations.url(model)
    target = cache / "downloaded" / publishers.make_file_name(url)
    try:
        if publishers.is_checkpoint(model):
            checkpoint = target.with_name(f"{target.name}.npz")
            return fetch_checkpoint(
                url, checkpoint, cache, name=model, task=task, precision=precision
            )
        here = target if is_saved_model(target) else find_in_hub_cache(model)
        if here:
            check_kept_model(here)
            return here
        with hold_lock(target):
            if is_saved_model(target):
                return target  # another process downloaded the model during the wait for the lock
            fetch_saved_model(url, target, cache, name=model, admission=admission)
        return target
    except DownloadError as error:
        raise InputError(
            f"--model {model}: cannot be downloaded: {error}; expected a SavedModel as a tar "
            "archive, or an AugReg .npz; try again, or download it yourself and give --model its "
            "path"
        ) from error
    except InputError as error:
        raise InputError(f"--model {model}: {error}") from error
