"""Locks a pipeline root for a run, and records which pipeline owns the pipeline root.

This module does not import TensorFlow, which takes seconds to import.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from common.errors import InputError
from common.files import read_or_write, read_text
from common.lock import try_lock
from pipeline.options.config import Config
from pipeline.options.defaults import default_root

# Names of files in a pipeline root.
OWNER = ".pipeline-name"  # contains the name of the pipeline
_READS = ".pipeline-reads"  # contains the names of the pipeline's model and dataset
LOCK = ".lock"  # a run locks this file until the run ends


def state_directory(config: Config) -> Path:
    """Returns the local directory for the metadata store and for logs.

    The directory is the pipeline root or, if the pipeline root is not on this machine,
    `./runs/<name>`.
    """
    root = config.pipeline_root
    is_remote = "://" in root or config.run.is_compiled
    return default_root(config.name) if is_remote else Path(root)


@contextmanager
def claim_root(directory: Path, config: Config) -> Iterator[Callable[[], None]]:
    """A context that locks the pipeline root `directory` for one run of a pipeline.

    The operating system frees the lock when the process ends, even if the process is killed.

    Yields:
      A function that records the pipeline as the owner of `directory`. Call this function only
      after the data and the model have been found: a first run with a wrong `--dataset` or
      `--model` should not make its pipeline the owner of `directory`.

    Raises:
      InputError: the run cannot write to `directory`; another run is using `directory`; `directory`
        belongs to a pipeline with a different name; or `directory` belongs to a pipeline with the
        same default name and a different model or dataset.
    """
    try:
        directory.mkdir(parents=True, exist_ok=True)
        lock = try_lock(directory / LOCK)
    except OSError as error:
        raise InputError(
            f"--pipeline-root {directory}: {error.strerror}; expected a writable directory"
        ) from error
    if lock is None:
        raise InputError(
            f"--pipeline-root {directory}: another run is using it; wait for its end, or choose "
            "another --name or --pipeline-root"
        )
    with lock:
        recorded = {directory / OWNER: config.name, directory / _READS: config.model_and_dataset}
        found = {file: read_text(file) or text for file, text in recorded.items()}
        name, reads = found.values()
        if name != config.name:
            raise InputError(
                f"--pipeline-root {directory}: belongs to the pipeline {name}; expected "
                f"{config.name}: give --name {name}, or another --pipeline-root"
            )
        # Two folders of images may have the same name, so two pipelines may have the same default
        # name. If pipelines for different data shared a pipeline root, Evaluator would compare
        # models for different data.
        if reads != config.model_and_dataset and config.has_default_name:
            raise InputError(
                f"--pipeline-root {directory}: has runs of {reads}, but this run is of "
                f"{config.model_and_dataset}; choose another --name"
            )

        def record_owner() -> None:
            try:
                for file, text in found.items():
                    read_or_write(file, text)
            except OSError as error:
                raise InputError(
                    f"--pipeline-root {directory}: {error.strerror}; expected free space for a few "
                    "files; free some space, and give the same command again"
                ) from error

        yield record_owner
