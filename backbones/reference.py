"""Parses the value of `--model`.

This module does not import TensorFlow, which takes seconds to import.
"""

import dataclasses
import errno
import functools
from pathlib import Path
from typing import Literal

from backbones import publishers
from backbones.catalogue import MODELS, Model
from common.errors import InputError
from common.saved_model import GRAPH_FILE

Kind = Literal["name", "bucket", "address", "path"]

# In every AugReg checkpoint, some array names begin with this text. If `saved_model.pb` contains
# this text, the SavedModel was converted from an AugReg checkpoint.
_AUGREG_VARIABLE = b"Transformer/encoderblock_0/MultiHeadDotProductAttention_1/"


@dataclasses.dataclass(frozen=True, kw_only=True)
class ModelReference:
    """The model that the value of `--model` refers to.

    Attributes:
      text: the value as it was given.
      kind: "name" for a name of the catalogue; "bucket" for a model on object storage, which
        TensorFlow's file systems copy; "address" for a model that is downloaded by HTTP, such as a
        URL or a Kaggle handle; "path" for a path on this machine.
      entry: the catalogue's model whose name or handle is `text`; None for any other model.
      is_checkpoint: whether the model is an AugReg `.npz` file.
    """

    text: str
    kind: Kind
    entry: Model | None
    is_checkpoint: bool

    @property
    def keeps_its_graph(self) -> bool:
        """Whether the model is already a SavedModel, whose graph has a fixed precision."""
        return self.kind != "name" and not self.is_checkpoint

    @functools.cached_property
    def is_augreg(self) -> bool:
        """Whether the model belongs to the AugReg family.

        The default recipe of `--tune full` and the default of `gate.min_accuracy` depend on the
        family, and Transform checks the input range only for models of other families. A SavedModel
        directory belongs to the AugReg family if its variables have the names of an AugReg
        checkpoint; the name of the directory does not matter.
        """
        return self.entry is not None or self.is_checkpoint or _has_augreg_variables(self)

    def is_untrained(self, weights: str) -> bool:
        """Whether the model is used with random weights.

        Args:
          weights: "pretrained" or "random".
        """
        return self.kind == "name" and (weights == "random" or not self.has_weights)

    @property
    def has_weights(self) -> bool:
        """Whether the model has pretrained weights; vit_mini, the smallest model, has none."""
        return self.entry is None or self.entry.variant.checkpoint is not None


def parse_model(text: str) -> ModelReference:
    """Parses the value of `--model`, without checking that the model exists.

    Raises:
      InputError: the operating system cannot tell whether the path exists.
    """
    kind: Kind = "path"
    if text in MODELS:
        kind = "name"
    elif _is_in_bucket(text):
        kind = "bucket"
    elif publishers.is_address(text) and not exists(text):
        kind = "address"
    entry = MODELS.get(text) if kind == "name" else _find_by_handle(text)
    is_checkpoint = kind != "name" and publishers.is_checkpoint(text)
    return ModelReference(text=text, kind=kind, entry=entry, is_checkpoint=is_checkpoint)


def exists(text: str) -> bool:
    """Whether `text` is a path that exists.

    A text that is too long for a path, such as a signed URL, is not a path.

    Raises:
      InputError: the operating system cannot tell whether the path exists, for example because a
        permission is missing.
    """
    try:
        return Path(text).exists()
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:
            return False
        raise InputError(f"--model {text}: {error.strerror}; expected a readable path") from error


def _is_in_bucket(text: str) -> bool:
    """Whether `text` is an address that is read by TensorFlow's file systems, and not by HTTP."""
    if "://" not in text or text.startswith(("http://", "https://")):
        return False
    return not text.startswith("gs://") or publishers.is_bucket_directory(text)


def _find_by_handle(text: str) -> Model | None:
    """Returns the catalogue's model with the TF-Hub or Kaggle handle `text`, in any version."""
    try:
        handle = publishers.kaggle_handle(text) or text
    except InputError:  # a Kaggle page without a model, which `check_model` refuses
        return None
    unversioned = handle.rpartition("/")[0]
    for entry in MODELS.values():
        for own in filter(None, (entry.kaggle, entry.handle)):
            if unversioned == own.rpartition("/")[0]:
                return entry
    return None


def _has_augreg_variables(reference: ModelReference) -> bool:
    if reference.kind != "path":
        return False
    graph = Path(reference.text, GRAPH_FILE)
    try:
        return _AUGREG_VARIABLE in graph.read_bytes()
    except OSError:  # `check_model` reports an unreadable path later
        return False
