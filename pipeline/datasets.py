"""The datasets that `--dataset` accepts by name.

This module does not import TensorFlow, which takes seconds to import.

To add a dataset, add an entry here, a file `schemas/<name>.pbtxt`, and recipes in `recipes.py`.
"""

import dataclasses
import glob
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from common.buckets import BEAM_SCHEMES, check_scheme
from common.errors import InputError, did_you_mean
from components.image_example_gen.sources.manifest_rows import SUFFIXES as MANIFEST_SUFFIXES
from components.image_example_gen.sources.record_files import is_record_file

_ARCHIVES = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".7z", ".rar")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Dataset:
    """A dataset that the pipeline can train on.

    Attributes:
      name: the value of `--dataset`; part of the pipeline's default name.
      about: a line for `--list-datasets`.
      source: the dataset, as the dictionary that
        `components.image_example_gen.sources.registry.make_source` takes.
      licence: the licence of the images, as Hugging Face's identifier; empty if it is not known.
      schema: the name of the schema file in `schemas/`; if None, SchemaGen infers the schema.
      recipes: the name of the default recipe for `--tune full` and for `--tune head`.
    """

    name: str
    about: str
    source: Mapping[str, Any]
    licence: str = ""
    schema: str | None = None
    recipes: Mapping[str, str] = dataclasses.field(
        default_factory=lambda: {"full": "default_full", "head": "default_head"}
    )


DATASETS = {
    dataset.name: dataset
    for dataset in (
        Dataset(
            name="tf_flowers",
            about="3,670 images of 5 kinds of flowers (TFDS; 230 MB)",
            source={"kind": "tfds", "name": "tf_flowers"},
            licence="cc-by-2.0",
            schema="tf_flowers",
            recipes={"full": "tf_flowers_full", "head": "tf_flowers_head"},
        ),
        Dataset(
            name="oxford_iiit_pet",
            about="7,349 images of 37 breeds of cats and dogs (TFDS; 800 MB)",
            source={"kind": "tfds", "name": "oxford_iiit_pet"},
            licence="cc-by-sa-4.0",
            schema="oxford_iiit_pet",
            recipes={"full": "oxford_iiit_pet_full", "head": "oxford_iiit_pet_head"},
        ),
        Dataset(
            name="digits",
            about="1,797 images of handwritten digits, 8 x 8 pixels (in scikit-learn; no download)",
            source={"kind": "digits"},
            licence="cc-by-4.0",
            schema="digits",
            recipes={"full": "digits_full", "head": "default_head"},
        ),
    )
}


def find_dataset(text: str, *, here: bool = True) -> Dataset:
    """Returns the dataset that the value of `--dataset` names.

    Args:
      text: a name of `DATASETS`, `tfds:NAME`, or the path or URI of a folder, a manifest, or
        TFRecords.
      here: whether a path in `text` must exist on this machine. The value is False for a compiled
        pipeline, whose containers read the dataset.

    Raises:
      InputError: `text` does not name a dataset.
    """
    if text in DATASETS:
        return DATASETS[text]
    if text.startswith("tfds:"):
        name = text.removeprefix("tfds:")
        return Dataset(name=name, about=f"TFDS {name}", source={"kind": "tfds", "name": name})
    expected = (
        f"{', '.join(DATASETS)}, tfds:NAME, or the path or gs:// URI of a folder of class folders, "
        "of a manifest (.csv, .jsonl, .parquet) or of TFRecords"
    )
    check_scheme("--dataset", text, BEAM_SCHEMES, expected)
    is_remote = "://" in text
    is_archive = text.lower().endswith(_ARCHIVES)
    if is_archive and (is_remote or (here and Path(text).is_file())):
        raise InputError(
            f"--dataset {text}: is an archive; expected a folder of class folders: unpack it, and "
            "name the folder"
        )
    path = text if is_remote or not here else str(Path(text).resolve())
    kind = _kind_of_file(text)
    is_there = is_remote or bool(glob.glob(path)) if here else Path(text).is_absolute()
    if kind and (is_remote or is_there):
        return Dataset(
            name=_stem(text),
            about=f"images of {path}",
            source={"kind": kind, "path": path},
        )
    if here and Path(text).is_file():
        raise InputError(f"--dataset {text}: is a file; expected {expected}")
    if is_remote:
        return Dataset(
            name=text.rstrip("/").rsplit("/", 1)[-1],
            about=f"class folders below {text}",
            source={"kind": "remote_folder", "path": text.rstrip("/")},
        )
    if Path(text).is_dir() or (not here and Path(text).is_absolute()):
        return Dataset(
            name=Path(path).name,
            about=f"images below {path}",
            source={"kind": _kind_of_folder(Path(path)) if here else "folder", "path": path},
        )
    meant = did_you_mean(text.lower().replace("-", "_"), DATASETS)
    raise InputError(
        f"--dataset {text}: no such dataset and no such file or folder; expected {expected}"
        + (f"; {meant}" if meant else "")
    )


def _kind_of_file(path: str) -> str | None:
    """Returns "manifest" if `path` names a manifest, "tfrecord" if `path` names TFRecords, and None
    for any other path.
    """
    name = path.rsplit("/", 1)[-1].lower()
    if name.endswith(MANIFEST_SUFFIXES):
        return "manifest"
    is_pattern = "*" in path
    return "tfrecord" if is_pattern or (is_record_file(name) and not Path(path).is_dir()) else None


def _kind_of_folder(folder: Path) -> str:
    if (folder / "dataset_info.json").is_file():
        name = folder.parent.name
        raise InputError(
            f"--dataset {folder}: is a dataset that TFDS prepared; expected --dataset tfds:{name} "
            f"--data-dir {folder.parent.parent}"
        )
    has_records = any(is_record_file(path.name) and path.is_file() for path in folder.iterdir())
    return "tfrecord" if has_records else "folder"


def _stem(path: str) -> str:
    """Derives the name of a dataset from the path of a file or from a glob pattern."""
    *_, folder, name = f"//{path}".rsplit("/", 2)
    stem = name.partition(".")[0].partition("*")[0].strip("-_")
    return stem or folder
