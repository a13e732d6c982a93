"""The records of blessed models.

The record of a blessed model is a small file in the pipeline's state directory, which is
`cloud.state_dir`, or, if it is not set, the pipeline root. Runs find the records there with every
runner. A copy of the blessed model is stored next to the record. Later runs never overwrite an
undamaged copy, because the name of its directory is a hash of the model's files.

TFX's metadata store also lists the blessed models, but the store is on one machine, and runs on
other machines cannot read it. A later run with a new metadata store may overwrite a model in the
pipeline root, because the model's path contains the number of the execution, and TFX numbers
executions from 1 again.
"""

import dataclasses
import json
import posixpath
import time
from collections.abc import Iterator, Sequence
from typing import Any

import tensorflow as tf
from tfx.utils import path_utils

from common.errors import InputError
from common.file_records import FileRecord, find_damage
from common.files import write_whole
from common.notice import print_notice
from components.model_evaluator.blessed_copies import keep_copy
from trainer.serving.exported_model import read_classes

NONE = "none"
_COPIES = "models"


@dataclasses.dataclass(frozen=True)
class Blessing:
    """The record of a blessed model.

    Attributes:
      record: URI of the file that contains the record.
      model: URI of the copy of the Model artifact.
      training: fingerprint of the training that made the model.
      classes: the class names, in the order of the model's outputs.
      contents: the `FileRecord` of each file of the copy, by relative path.
      data: fingerprint of the examples that the model was trained on; empty if an earlier version
        of the pipeline wrote the record.
      class_counts: the number of training images of each class; empty if an earlier version of the
        pipeline wrote the record.
    """

    record: str
    model: str
    training: str
    classes: Sequence[str]
    contents: dict[str, FileRecord]
    data: str = ""
    class_counts: Sequence[int] = ()

    @classmethod
    def read(cls, record: str) -> "Blessing":
        """Reads the record of a blessed model from the file at the URI `record`.

        Raises:
          ValueError: the file is damaged.
        """
        with tf.io.gfile.GFile(record) as file:
            values = json.loads(file.read())
        try:
            found = cls(
                record,
                f"{posixpath.dirname(record)}/{_COPIES}/{values['model']}",
                values["training"],
                values["classes"],
                {name: FileRecord(*content) for name, content in values["files"].items()},
                str(values.get("data", "")),
                tuple(map(int, values.get("class_counts", ()))),
            )
        except KeyError as error:
            raise ValueError(f"the field {error} is missing") from error
        except (TypeError, AttributeError) as error:
            raise ValueError(f"a field has the wrong type: {error}") from error
        if found.class_counts and len(found.class_counts) != len(found.classes):
            raise ValueError(f"{len(found.class_counts)} counts for {len(found.classes)} classes")
        return found

    def check_copy(self) -> None:
        """Checks that no file of the copy has changed, by comparing the SHA-256 of each file.

        Raises:
          InputError: the copy is damaged.
        """
        damage = find_damage(self.model, self.contents)
        if damage:
            raise InputError(
                f"{damage}: the last blessed model, with which the new model must be compared, is "
                f"damaged; restore the file, or remove {self.model} to compare with the "
                "model that was blessed before it"
            )


def records_directory(state_dir: str) -> str:
    """Returns the directory of the records of blessed models, in a pipeline's state directory."""
    return f"{state_dir}/blessed"


def record(
    records: str, model: str, training: str, *, data: str, class_counts: Sequence[int]
) -> Blessing:
    """Writes the record of a blessed model, and keeps a copy of the model with the records.

    Args:
      records: the directory of the records.
      model: URI of the Model artifact.
      training: fingerprint of the training that made the model.
      data: fingerprint of the examples that the model was trained on.
      class_counts: the number of training images of each class, in the order of the classes.
    """
    tf.io.gfile.makedirs(f"{records}/{_COPIES}")
    copy, contents = keep_copy(f"{records}/{_COPIES}", model)
    classes = read_classes(path_utils.serving_model_path(model)) or []
    name = f"{records}/{time.time_ns():020}.json"
    values: dict[str, Any] = {
        "model": posixpath.basename(copy),
        "training": training,
        "classes": classes,
        "files": contents,
        "data": data,
        "class_counts": list(class_counts),
    }
    write_whole(name, json.dumps(values))
    return Blessing(name, copy, training, classes, contents, data, tuple(class_counts))


def last_blessed(records: str, classes: Sequence[str], *, other_than: str) -> Blessing | None:
    """Finds the champion: the last blessed model that a new model can be compared with.

    The champion comes from a different training than the new model, because a run that repeats a
    training would otherwise compare the model with itself.

    Args:
      records: the directory of the records.
      classes: the class names, in the order of the new model's outputs.
      other_than: fingerprint of the training that made the new model.
    """
    return next((b for b in _comparable(records, classes) if b.training != other_than), None)


def find_champions(records: str, classes: Sequence[str]) -> dict[str, Blessing]:
    """Returns the record of the last blessed model, and that of the last blessed model from a
    different training.

    One of the two is the champion: the second, if the new model comes from the same training as the
    last blessed model, and otherwise the first.

    Args:
      records: the directory of the records.
      classes: the class names, in the order of the model's outputs.

    Returns:
      A dictionary that maps `Blessing.training` to the record; the newest record comes first.
    """
    champions: dict[str, Blessing] = {}
    for blessing in _comparable(records, classes):
        champions.setdefault(blessing.training, blessing)
        if len(champions) == 2:
            break
    return champions


def _comparable(records: str, classes: Sequence[str]) -> Iterator[Blessing]:
    """Yields the record of each blessed model that still exists and has the class names `classes`.

    The newest record comes first. Models with different classes cannot be compared, because their
    outputs have different meanings.
    """
    for blessing in _list_blessings(records):
        if list(blessing.classes) == list(classes) and tf.io.gfile.isdir(blessing.model):
            yield blessing


def _list_blessings(records: str) -> Iterator[Blessing]:
    """Yields the records of blessed models, the newest first."""
    if not tf.io.gfile.isdir(records):
        return
    names = (name for name in tf.io.gfile.listdir(records) if name.endswith(".json"))
    for name in sorted(names, reverse=True):
        if name.startswith("."):  # a temporary file of a process that was killed
            continue
        try:
            yield Blessing.read(f"{records}/{name}")
        except ValueError as error:
            print_notice(
                f"{records}/{name}: is damaged ({error}); expected the record of a blessed model; "
                "it is left out, and can be removed"
            )
