"""The text of `--model`, parsed once. Imports no TensorFlow."""

import dataclasses
import errno
import functools
from pathlib import Path
from typing import Literal

from backbones import publishers
from backbones.catalogue import MODELS, Model
from common.errors import InputError

Kind = Literal["name", "bucket", "address", "path"]

# In a SavedModel that was converted from an AugReg checkpoint, variables have the checkpoint's
# names, and saved_model.pb holds them.
_AUGREG_VARIABLE = b"Transformer/encoderblock_0/MultiHeadDotProductAttention_1/"


@dataclasses.dataclass(frozen=True, kw_only=True)
class ModelReference:
    """What the text of `--model` stands for.

    Attributes:
      text: as it was given.
      kind: "name", of the catalogue; "bucket", on object storage and copied by TensorFlow's file
        systems; "address", downloaded by HTTP, a Kaggle handle among them; "path", on this machine.
      entry: the model of the catalogue that it is, by its name or a handle; None for another.
      is_checkpoint: whether it is an AugReg `.npz` file.
    """

    text: str
    kind: Kind
    entry: Model | None
    is_checkpoint: bool

    @property
    def keeps_its_graph(self) -> bool:
        """Whether it is a SavedModel from elsewhere, whose precision cannot be chosen."""
        return self.kind != "name" and not self.is_checkpoint

    @functools.cached_property
    def is_augreg(self) -> bool:
        """Whether it is of AugReg's family, for which the datasets' own recipes were made.

        A directory is known by the names of its variables, not by its own name.
        """
        return self.entry is not None or self.is_checkpoint or _has_augreg_variables(self)

    def is_untrained(self, weights: str) -> bool:
        """Whether it is used with random weights.

        Args:
          weights: "pretrained" or "random".
        """
        return self.kind == "name" and (weights == "random" or not self.has_weights)

    @property
    def has_weights(self) -> bool:
        """Whether there are pretrained weights of it: not so for the smallest of the catalogue."""
        return self.entry is None or self.entry.variant.checkpoint is not None


def parse_model(text: str) -> ModelReference:
    """Parses the text of `--model`. Whether the model is there is not looked at.

    Raises:
      InputError: it is a path that cannot be read.
    """
    kind: Kind = "path"
    if text in MODELS:
        kind = "name"
    elif _is_copied(text):
        kind = "bucket"
    elif publishers.is_address(text) and not exists(text):
        kind = "address"
    entry = MODELS.get(text) if kind == "name" else _entry_of_handle(text)
    is_checkpoint = kind != "name" and publishers.is_checkpoint(text)
    return ModelReference(text=text, kind=kind, entry=entry, is_checkpoint=is_checkpoint)


def exists(text: str) -> bool:
    """Whether `text` is a path that exists. A text that is too long for a path, as signed URLs
    are, is none.

    Raises:
      InputError: it cannot be looked at.
    """
    try:
        return Path(text).exists()
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:
            return False
        raise InputError(f"--model {text}: {error.strerror}; expected a path to read") from error


def _is_copied(text: str) -> bool:
    """Whether `text` is on object storage, and no file that HTTP can download."""
    if "://" not in text or text.startswith(("http://", "https://")):
        return False
    return not text.startswith("gs://") or publishers.is_bucket_directory(text)


def _entry_of_handle(text: str) -> Model | None:
    """The model of the catalogue whose TF-Hub or Kaggle handle `text` is, in any version."""
    try:
        handle = publishers.kaggle_handle(text) or text
    except InputError:  # a page of Kaggle that is no model's: `check_model` says so
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
    graph = Path(reference.text, "saved_model.pb")
    try:
        return _AUGREG_VARIABLE in graph.read_bytes()
    except OSError:  # `check_model` says what is wrong with it
        return False
