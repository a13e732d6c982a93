"""The nodes that read the images and check them, before anything is trained."""

import dataclasses

from tfx.components import (  # isort: skip (before TFDV: see _BEAM_PLUGIN in pipeline.py)
    SchemaGen,
    StatisticsGen,
)
import tensorflow_data_validation as tfdv
from tensorflow_metadata.proto.v0 import schema_pb2
from tfx.dsl.components.base.base_node import BaseNode
from tfx.types import BaseChannel

from components.data_check.component import DataCheck, FullDataCheck
from components.example_check.component import ExampleCheck
from components.image_example_gen.component import ImageExampleGen
from components.packaged_schema.component import PackagedSchema
from pipeline.options.config import Config
from pipeline.properties import Properties

# This schema makes TFDV treat labels as categories instead of numbers, and the bytes of images as
# images instead of text.
_EXAMPLE_TYPES = schema_pb2.Schema(
    feature=[
        schema_pb2.Feature(
            name="image", type=schema_pb2.BYTES, image_domain=schema_pb2.ImageDomain()
        ),
        schema_pb2.Feature(
            name="label",
            type=schema_pb2.INT,
            int_domain=schema_pb2.IntDomain(is_categorical=True),
        ),
    ]
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class DataNodes:
    """The nodes that read the images and compare the examples with a schema.

    Attributes:
      example_gen: ImageExampleGen.
      statistics: StatisticsGen.
      schema: PackagedSchema if the schema comes from `--schema` or `schemas/`, otherwise SchemaGen.
      validator: ExampleValidator.
    """

    example_gen: BaseNode
    statistics: BaseNode
    schema: BaseNode
    validator: BaseNode

    @property
    def examples(self) -> BaseChannel:
        """ImageExampleGen's output channel `examples`."""
        return self.example_gen.outputs["examples"]

    def all(self) -> list[BaseNode]:
        """Returns the nodes in the order in which they run."""
        return [self.example_gen, self.statistics, self.schema, self.validator]

    def artifacts(self) -> dict[str, BaseChannel]:
        """Returns the inputs that Report takes from these nodes, as a dictionary by input name."""
        return {
            "examples": self.examples,
            "statistics": self.statistics.outputs["statistics"],
            "schema": self.schema.outputs["schema"],
            "anomalies": self.validator.outputs["anomalies"],
        }


def make_data_nodes(config: Config, properties: Properties) -> DataNodes:
    """Makes the nodes that read the images and compare the examples with a schema."""
    example_gen = ImageExampleGen(
        source=properties.example_gen.source,
        classes=properties.example_gen.classes,
        max_side=config.ingest.max_side,
        max_pixels=config.ingest.max_pixels,
        max_value=config.ingest.max_value,
        split_by=config.ingest.split_by,
        source_fingerprint=properties.example_gen.source_fingerprint,
        code_fingerprint=properties.example_gen.code_fingerprint,
        unread_notes=properties.example_gen.unread_notes,
        listing=properties.example_gen.listing,
    )
    examples = example_gen.outputs["examples"]
    statistics = StatisticsGen(
        examples=examples,
        stats_options=tfdv.StatsOptions(
            schema=_EXAMPLE_TYPES,
            # If the statistics contained the file names of a small dataset, SchemaGen would infer
            # that no other file names are allowed, and TFDV would report the file name of each new
            # image as an anomaly. The statistics therefore leave out the file names if SchemaGen
            # infers the schema.
            feature_allowlist=None if config.has_schema else ["image", "label"],
        ),
    )
    schema: BaseNode
    if config.has_schema:
        schema = PackagedSchema(
            content=properties.schema.content,
            code_fingerprint=properties.schema.code_fingerprint,
        )
    else:
        schema = SchemaGen(statistics=statistics.outputs["statistics"], exclude_splits=["test"])
    validator = ExampleCheck(
        examples=examples,
        statistics=statistics.outputs["statistics"],
        schema=schema.outputs["schema"],
        classes=properties.example_gen.classes,
        max_quarantined=config.ingest.max_quarantined,
        champion_counts=properties.validation.champion_counts,
        max_drift=config.data.max_drift,
        allow_anomalies=config.ingest.allow_anomalies,
        library_fingerprint=properties.validation.library_fingerprint,
        code_fingerprint=properties.validation.check_fingerprint,
    ).with_id("ExampleValidator")
    # StatisticsGen and SchemaGen are TFX's own nodes and have no property for the versions of their
    # libraries. This loop adds the execution property `library_fingerprint`, which makes these
    # nodes run again after an update of TFX or TFDV.
    for node in (statistics, *([] if config.has_schema else [schema])):
        node.spec.exec_properties["library_fingerprint"] = properties.validation.library_fingerprint
    return DataNodes(
        example_gen=example_gen, statistics=statistics, schema=schema, validator=validator
    )


def make_data_check(
    config: Config,
    properties: Properties,
    data: DataNodes,
    *,
    backbone: BaseChannel | None,
    transformed_examples: BaseChannel | None,
) -> list[BaseNode]:
    """Makes the node DataCheck for the value of `--data-check`.

    Args:
      config: the configuration.
      properties: the execution properties of the nodes.
      data: the nodes that read the images.
      backbone: the backbone's SavedModel; used only with `--data-check full`.
      transformed_examples: Transform's examples, which contain the features that the backbone
        computed; None if Transform computes no features. Only `--data-check full` uses these
        features.

    Returns:
      A list with the node; an empty list with `--data-check off`.
    """
    if config.data.check == "off":
        return []
    arguments = {
        "examples": data.examples,
        "classes": properties.example_gen.classes,
        "max_leak": config.data.max_leak,
        "code_fingerprint": properties.data_check.code_fingerprint,
    }
    if config.data.check == "fast":
        return [DataCheck(**arguments).with_id("DataCheck")]
    check = FullDataCheck(
        **arguments,
        backbone=backbone,
        transformed_examples=transformed_examples,
        input_range=config.backbone.input_range,
    )
    # DataCheck must not spend time on data that ExampleValidator refuses.
    check.add_upstream_node(data.validator)
    return [check.with_id("DataCheck")]
