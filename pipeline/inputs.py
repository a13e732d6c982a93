"""Finds the data and the backbone of a run, and computes their fingerprints."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from backbones.admission import check_backbone
from backbones.contract import check_tunable, read_variables
from backbones.layout import find_layout
from backbones.resolve import cache_dir, resolve
from common import fingerprint
from components.image_example_gen.listing import (
    Listing,
    has_listing,
    listing_path,
    write_listing,
)
from components.image_example_gen.sources.registry import make_source
from components.image_example_gen.split import NEAR_DUPLICATES
from components.image_example_gen.unread import unread_directory
from components.model_evaluator.records import Blessing, find_champions, records_directory
from components.model_pusher.last_push import Serving, push_record
from pipeline.found_images import FoundImages, find_images
from pipeline.options.config import Config
from pipeline.reviewed_schema import read_curated_schema, read_schema
from pipeline.source_fingerprint import find_fingerprint


@dataclasses.dataclass(frozen=True, kw_only=True)
class Inputs:
    """The inputs of a run from outside the pipeline: data, backbone and schema.

    Attributes:
      source: the dataset, as the dictionary that
        `components.image_example_gen.sources.registry.make_source` takes.
      source_fingerprint: the fingerprint of the images.
      classes: the class names.
      schema: the text of the schema from `--schema` or `schemas/`; empty if SchemaGen infers it.
      backbone: a SavedModel directory.
      backbone_fingerprint: the fingerprint of the backbone's content.
      backbone_layout: the names of the backbone's variables, as the text of the result of
        `backbones.layout.find_layout`. The value is empty for `--tune head`, which does not train
        the backbone.
      champions: the record of the last blessed model, and the record of the last blessed model from
        a different training (see `components.model_evaluator.records.find_champions`). The keys are
        fingerprints of trainings.
      serving: the state of the serving directory, and the record of the last push, when the run
        starts.
      found: the description of the images.
    """

    source: Mapping[str, Any]
    source_fingerprint: str
    classes: tuple[str, ...]
    schema: str
    backbone: str
    backbone_fingerprint: str
    backbone_layout: str
    champions: Mapping[str, Blessing]
    serving: Serving
    found: FoundImages


def resolve_inputs(config: Config, *, with_backbone: bool = True) -> Inputs:
    """Finds the inputs that `config` names, and downloads or converts them if necessary.

    Args:
      config: the configuration.
      with_backbone: whether the run needs the backbone. If the run does not need the backbone,
        `Inputs.backbone` is empty.

    Raises:
      InputError: an input is missing or unusable.
    """
    # This function finds the backbone first, so that a wrong `--model` causes an error before a
    # long download of the data.
    backbone = _find_backbone(config) if with_backbone else None
    images = make_source(config.source)
    images.prepare(cache_dir())
    classes = images.classes()
    source_fingerprint = find_fingerprint(images, unread_directory(config.state_dir), cache_dir())
    listing = listing_path(config.state_dir, source_fingerprint)
    if not has_listing(listing):
        write_listing(listing, Listing(classes, images.images(cache_dir())))
    return Inputs(
        source=config.source,
        source_fingerprint=source_fingerprint,
        classes=classes,
        schema=_read_schema(config),
        backbone=str(backbone or ""),
        backbone_fingerprint=fingerprint.hash_directory(backbone) if backbone else "",
        backbone_layout=_layout(backbone) if backbone and config.tune == "full" else "",
        champions=find_champions(records_directory(config.state_dir), classes),
        serving=Serving.find(push_record(config.state_dir), config.serving_dir),
        found=find_images(images, is_estimate=config.ingest.split_by == NEAR_DUPLICATES),
    )


def _find_backbone(config: Config) -> Path:
    backbone = resolve(
        config.model,
        weights=config.weights,
        cache=cache_dir(),
        precision=config.train.precision,
        trusted=config.trust_model,
    )
    check_backbone(backbone, trusted=config.trust_model)
    if config.tune == "full":
        check_tunable(backbone)
    return backbone


def _layout(backbone: Path) -> str:
    return repr(find_layout(read_variables(backbone)))


def _read_schema(config: Config) -> str:
    if config.schema:
        return read_schema(config.schema)
    return read_curated_schema(config.curated_schema) if config.curated_schema else ""
