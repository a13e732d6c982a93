"""The datasets that `--dataset` knows by name. Imports no TensorFlow.

To add a dataset, add an entry here, a file `schemas/<name>.pbtxt`, and recipes in `recipes.py`.
"""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from common.buckets import BEAM_SCHEMES, check_scheme
from common.errors import InputError, did_you_mean

_ARCHIVES = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".7z", ".rar")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Dataset:
    """A dataset, and how it is read and tuned.

    Attributes:
      name: the value of `--dataset`; part of the pipeline's default name.
      about: a line for `--list-datasets`.
      source: the argument of `components.image_example_gen.sources.registry.make_source`.
      licence: of the images, by Hugging Face's identifier; empty if it is not known.
      schema: the name of the curated schema in `schemas/`; if None, the schema is inferred.
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
      text: a name of `DATASETS`, `tfds:NAME`, or the path or URI of a folder of class folders.
      here: whether a folder must exist on this machine; False if it is read in a container.

    Raises:
      InputError: the value is none of these.
    """
    if text in DATASETS:
        return DATASETS[text]
    if text.startswith("tfds:"):
        name = text.removeprefix("tfds:")
        return Dataset(name=name, about=f"TFDS {name}", source={"kind": "tfds", "name": name})
    expected = (
        f"{', '.join(DATASETS)}, tfds:NAME, or the path or gs:// URI of a folder of class folders"
    )
    check_scheme("--dataset", text, BEAM_SCHEMES, expected)
    is_archive = text.lower().endswith(_ARCHIVES)
    if (is_archive and "://" in text) or (here and Path(text).is_file()):
        raise InputError(
            f"--dataset {text}: is {'an archive' if is_archive else 'a file'}; expected a folder "
            f"of class folders{': unpack it, and name the folder' if is_archive else ''}"
        )
    if "://" in text:
        return Dataset(
            name=text.rstrip("/").rsplit("/", 1)[-1],
            about=f"class folders below {text}",
            source={"kind": "remote_folder", "path": text.rstrip("/")},
        )
    if Path(text).is_dir() or (not here and Path(text).is_absolute()):
        folder = Path(text).resolve() if here else Path(text)
        return Dataset(
            name=folder.name,
            about=f"class folders below {folder}",
            source={"kind": "folder", "path": str(folder)},
        )
    meant = did_you_mean(text.lower().replace("-", "_"), DATASETS)
    raise InputError(
        f"--dataset {text}: no such dataset and no such folder; expected {expected}"
        + (f"; {meant}" if meant else "")
    )
