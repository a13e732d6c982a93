"""Which models were blessed: one small file each, below the pipeline root.

Metadata would know it too, but only on the machine that has the metadata store; these files lie
where the models lie, for any runner.
"""

import json
import time
from collections.abc import Iterator, Sequence

from tfx.dsl.io import fileio
from tfx.utils import path_utils

from trainer.serving.exported_model import read_classes

NONE = "none"


def records_directory(pipeline_root: str) -> str:
    """Where the records of the pipeline with this root lie."""
    return f"{pipeline_root}/blessed"


def record(records: str, model: str) -> None:
    """Records in the directory `records` that the Model artifact at the URI `model` was blessed."""
    fileio.makedirs(records)
    with fileio.open(f"{records}/{time.time_ns():020}.json", "w") as file:
        file.write(json.dumps({"model": model}))


def last_blessed(records: str, classes: Sequence[str]) -> str:
    """The last blessed model that is still there and has the same classes.

    A model of other classes cannot be compared: its answers mean something else.

    Args:
      records: directory.
      classes: names, in the order of the model's outputs.

    Returns:
      URI of a Model artifact; NONE where there is no such model.
    """
    comparable = (uri for uri in _blessed(records) if _has_classes(uri, list(classes)))
    return next(comparable, NONE)


def _blessed(records: str) -> Iterator[str]:
    """The newest first."""
    if not fileio.isdir(records):
        return
    for name in sorted(fileio.listdir(records), reverse=True):
        with fileio.open(f"{records}/{name}") as file:
            yield json.loads(file.read())["model"]


def _has_classes(uri: str, classes: list[str]) -> bool:
    model = path_utils.serving_model_path(uri)
    return fileio.exists(f"{model}/saved_model.pb") and read_classes(model) == classes
