"""What a run reads from outside, resolved once, with its fingerprints."""

import dataclasses
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Any

from backbones.contract import check_backbone, check_tunable, read_variables
from backbones.layout import find_layout
from backbones.resolve import cache_dir, resolve
from common import fingerprint
from components.image_example_gen.sources.registry import make_source
from components.image_example_gen.unread import unread_directory
from components.model_evaluator.records import last_blessed, records_directory
from components.model_pusher.serving_directory import served_state
from pipeline.options.config import Config
from pipeline.source_fingerprint import find_fingerprint


@dataclasses.dataclass(frozen=True, kw_only=True)
class Inputs:
    """What lies outside the pipeline: data, backbone and schema.

    Attributes:
      source: for `components.image_example_gen.sources.registry.make_source`.
      source_fingerprint: of the images.
      classes: the class names.
      schema_fingerprint: of the packaged schema's file; empty where there is none.
      backbone: a SavedModel directory.
      backbone_fingerprint: of its content.
      backbone_layout: what a training of the whole backbone takes from the catalogue: the names of
        variables that have none, as text.
      baseline: URI of the last blessed model that a new one can be compared with.
      served: the state of the serving directory now.
    """

    source: Mapping[str, Any]
    source_fingerprint: str
    classes: tuple[str, ...]
    schema_fingerprint: str
    backbone: str
    backbone_fingerprint: str
    backbone_layout: str
    baseline: str
    served: str


def resolve_inputs(config: Config) -> Inputs:
    """Finds, and where need be downloads, makes or converts, what `config` names.

    Raises:
      InputError: something is missing or unfit; the message says what to do.
    """
    backbone = resolve(
        config.model,
        weights=config.weights,
        cache=cache_dir(),
        precision=config.train.precision,
    )
    check_backbone(backbone)  # before data are fetched
    if config.tune == "full":
        check_tunable(backbone)
    images = make_source(config.source)
    images.prepare()
    classes = images.classes()
    return Inputs(
        source=config.source,
        source_fingerprint=find_fingerprint(
            images, unread_directory(config.pipeline_root), cache_dir()
        ),
        classes=classes,
        schema_fingerprint=_schema_fingerprint(config.schema),
        backbone=str(backbone),
        backbone_fingerprint=fingerprint.hash_directory(backbone),
        backbone_layout=_layout(backbone) if config.tune == "full" else "",
        baseline=last_blessed(records_directory(config.pipeline_root), classes),
        served=served_state(config.serving_dir),
    )


def _layout(backbone: Path) -> str:
    return repr(find_layout(read_variables(backbone)))


def _schema_fingerprint(name: str | None) -> str:
    if name is None:
        return ""
    return fingerprint.hash_bytes(resources.files("schemas").joinpath(f"{name}.pbtxt").read_bytes())
