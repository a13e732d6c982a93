"""The pipeline.

source -- ImageExampleGen -+- StatisticsGen - SchemaGen or PackagedSchema - ExampleValidator
                           |
                           +- Transform -- Trainer -- Evaluator -- Pusher
                                 |            |           |
             backbone SavedModel +------------+           +- Resolver: the last blessed model
"""

import dataclasses

from tfx.components import (  # isort: skip (it fits out tfx_bsl for the TFDV that is pinned)
    Evaluator,
    ExampleValidator,
    SchemaGen,
    StatisticsGen,
    Trainer,
    Transform,
    Tuner,
)
import tensorflow_data_validation as tfdv
from tensorflow_metadata.proto.v0 import schema_pb2
from tfx.dsl.components.base.base_node import BaseNode
from tfx.dsl.components.common.importer import Importer
from tfx.dsl.components.common.resolver import Resolver
from tfx.orchestration.pipeline import Pipeline
from tfx.proto import pusher_pb2, trainer_pb2, transform_pb2
from tfx.types import Channel, standard_artifacts

from components.image_example_gen.component import ImageExampleGen
from components.model_pusher.component import ModelPusher
from components.packaged_schema.component import PackagedSchema
from pipeline.baseline import ComparableModelStrategy
from pipeline.config import Config
from pipeline.gate import make_eval_config
from pipeline.inputs import Inputs
from trainer import fingerprint

# Workers import it before anything else: the TFDV that is pinned looks for a part of tfx_bsl that
# is no more, and importing tfx puts something in its place.
_BEAM_PLUGIN = "--beam_plugins=tfx"

# So that TFDV counts labels, and does not take the bytes of images for words.
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


def create_pipeline(config: Config, inputs: Inputs) -> Pipeline:
    """The pipeline that `config` describes, on `inputs`.

    Loads no model code: user functions are given by import path. Whatever a node reads beyond its
    input artifacts stands in its execution properties as a fingerprint, so that its cache is right.
    """
    examples = ImageExampleGen(
        source=inputs.source,
        classes=inputs.classes,
        max_side=config.ingest.max_side,
        source_fingerprint=inputs.source_fingerprint,
        code_fingerprint=fingerprint.of_code("components.image_example_gen.executor"),
    )
    statistics = StatisticsGen(
        examples=examples.outputs["examples"],
        stats_options=tfdv.StatsOptions(
            schema=_EXAMPLE_TYPES,
            # From few examples a domain would be inferred for their names, and others be anomalies.
            feature_allowlist=None if inputs.schema else ["image", "label"],
        ),
    )
    schema: BaseNode
    if inputs.schema:
        schema = PackagedSchema(
            name=inputs.schema,
            fingerprint=inputs.schema_fingerprint,
            code_fingerprint=fingerprint.of_code("components.packaged_schema.component"),
        )
    else:
        schema = SchemaGen(statistics=statistics.outputs["statistics"], exclude_splits=["test"])
    validator = ExampleValidator(
        statistics=statistics.outputs["statistics"], schema=schema.outputs["schema"]
    )
    backbone = Importer(
        source_uri=inputs.backbone,
        artifact_type=standard_artifacts.Model,
        custom_properties={"fingerprint": inputs.backbone_fingerprint},
    ).with_id("Backbone")
    # To tune the whole backbone nothing is materialised, and nothing is analysed: no pass over the
    # data. To tune a head each image meets the backbone here, once.
    head_only = config.tune == "head"
    transform = Transform(
        examples=examples.outputs["examples"],
        schema=schema.outputs["schema"],
        preprocessing_fn="trainer.preprocessing.preprocessing_fn",
        splits_config=transform_pb2.SplitsConfig(
            analyze=["train"], transform=["train", "validation"] if head_only else []
        ),
        materialize=head_only,
        disable_statistics=True,
        disable_analyzer_cache=True,
        custom_config={
            "tune": config.tune,
            "backbone": inputs.backbone,
            "backbone_fingerprint": inputs.backbone_fingerprint,
            "code_fingerprint": fingerprint.of_code("trainer.preprocessing"),
        },
    )
    training_examples = (
        transform.outputs["transformed_examples"] if head_only else (examples.outputs["examples"])
    )
    training = {
        "examples": training_examples,
        "transform_graph": transform.outputs["transform_graph"],
        "schema": schema.outputs["schema"],
        "base_model": backbone.outputs["result"],
        "train_args": trainer_pb2.TrainArgs(splits=["train"]),
        "eval_args": trainer_pb2.EvalArgs(splits=["validation"]),
    }
    settings = {
        "tune": config.tune,
        "classes": list(inputs.classes),
        "hyperparameters": dataclasses.asdict(config.train),
        "augmentation": dataclasses.asdict(config.augment),
    }
    tuners = []
    if config.tuner:
        code = fingerprint.of_code("trainer.tuner")
        tuners = [
            Tuner(
                tuner_fn="trainer.tuner.tuner_fn",
                custom_config=settings | {"trials": config.tuner, "code_fingerprint": code},
                **training,
            )
        ]
    trainer = Trainer(
        run_fn="trainer.train.run_fn",
        statistics=statistics.outputs["statistics"],
        hyperparameters=tuners[0].outputs["best_hyperparameters"] if tuners else None,
        custom_config=settings
        | {
            # Not below the Trainer's outputs: each execution has others.
            "checkpoints": f"{config.pipeline_root}/checkpoints",
            "code_fingerprint": fingerprint.of_code("trainer.train"),
        },
        **training,
    )
    baseline = Resolver(
        strategy_class=ComparableModelStrategy,
        config={"classes": list(inputs.classes)},
        model=Channel(type=standard_artifacts.Model),
        model_blessing=Channel(type=standard_artifacts.ModelBlessing),
    ).with_id("LastBlessedModel")
    evaluator = Evaluator(
        examples=examples.outputs["examples"],
        example_splits=["test"],
        model=trainer.outputs["model"],
        baseline_model=baseline.outputs["model"],
        eval_config=make_eval_config(config.gate),
        schema=schema.outputs["schema"],
    )
    pusher = ModelPusher(
        model=trainer.outputs["model"],
        model_blessing=evaluator.outputs["blessing"],
        push_destination=pusher_pb2.PushDestination(
            filesystem=pusher_pb2.PushDestination.Filesystem(base_directory=config.serving_dir)
        ),
        custom_config={
            "served": inputs.served,
            "code_fingerprint": fingerprint.of_code("components.model_pusher.executor"),
        },
    ).with_id("Pusher")
    return Pipeline(
        pipeline_name=config.name,
        pipeline_root=config.pipeline_root,
        components=[
            examples,
            statistics,
            schema,
            validator,
            backbone,
            transform,
            *tuners,
            trainer,
            baseline,
            evaluator,
            pusher,
        ],
        enable_cache=True,
        beam_pipeline_args=[_BEAM_PLUGIN, *config.run.beam_args],
    )
