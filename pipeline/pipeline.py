"""The pipeline.

source -- ImageExampleGen -+- StatisticsGen - SchemaGen or PackagedSchema - ExampleValidator
                           |
                           +- DataCheck ---+
                           |               |
                           +- Transform -- Trainer -- Evaluator -- ServingCheck -- Pusher -- Report
                                 |            |           |
             backbone SavedModel +------------+           +- the last blessed model

A compiled pipeline starts with the node ResolveInputs, which finds the data and the backbone for
each run. With `--data-check full`, DataCheck also reads the backbone. With both `--data-check full`
and `--tune head`, DataCheck also reads the features that Transform computes.
"""

from collections.abc import Sequence

from pipeline.data_nodes import make_data_check, make_data_nodes  # isort: skip (tfx before TFDV)
from tfx.components import Trainer, Tuner
from tfx.dsl.components.base.base_node import BaseNode
from tfx.dsl.components.common.importer import Importer
from tfx.orchestration.pipeline import Pipeline
from tfx.proto import trainer_pb2
from tfx.types import BaseChannel, standard_artifacts

from components.backbone.component import Backbone
from components.backbone_transform.component import BackboneTransform
from components.model_evaluator.component import ModelEvaluator
from components.model_pusher.component import ModelPusher
from components.report.component import Report
from components.serving_check.component import ServingCheck
from pipeline.beam.engine import workers_are_elsewhere
from pipeline.inputs import Inputs
from pipeline.options.config import Config
from pipeline.properties import Properties, make_properties
from pipeline.resolve_inputs.component import ResolveInputs
from pipeline.run_parameters import runtime_parameters

# `--beam_plugins=tfx` makes Beam workers import tfx before TFDV. TFDV imports the module
# tfx_bsl.arrow.sql_util, which the installed tfx_bsl lacks. The import of tfx puts a mock in place
# of this module, so that the import of TFDV succeeds.
_BEAM_PLUGIN = "--beam_plugins=tfx"


def create_pipeline(
    config: Config, inputs: Inputs | None, beam_args: Sequence[str] = ()
) -> Pipeline:
    """Builds the pipeline that `config` describes.

    This function passes the functions of `trainer` to the nodes as import paths, such as
    `trainer.train.run_fn`, so it does not need to import the training code. If a node reads files
    that are not artifacts, the node has an execution property with a fingerprint of the files, so
    that the node runs again when the files change.

    Args:
      config: the configuration.
      inputs: the data, backbone and schema of the run; if None, the node ResolveInputs finds them.
      beam_args: flags for Beam, from `pipeline.beam.engine.beam_arguments`.
    """
    first: list[BaseNode] = []
    if inputs is None:
        resolved = ResolveInputs(settings=config.to_json(), parameters=runtime_parameters(config))
        properties = Properties.from_names(resolved.placeholders())
        first = [resolved]
    else:
        properties = make_properties(config, inputs)
    data = make_data_nodes(config, properties)
    examples, schema = data.examples, data.schema.outputs["schema"]
    backbone, backbone_model = _backbone(config, inputs, properties)
    # With `--tune head`, Transform computes the features of each image once, so that Trainer does
    # not run the backbone in every epoch. With `--tune full`, Transform does not read the images,
    # because it has nothing to analyse and writes only the transform graph.
    head_only = config.tune == "head"
    transform = BackboneTransform(
        examples=examples,
        schema=schema,
        backbone=backbone_model,
        preprocessing_fn="trainer.preprocessing.preprocessing_fn",
        analyze=["train"],
        materialize=["train", "validation"] if head_only else [],
        custom_config=properties.transform.custom_config,
    ).with_id("Transform")
    # Transform, which may take a long time, must not run on data that ExampleValidator refuses.
    transform.add_upstream_node(data.validator)
    features = transform.outputs["transformed_examples"] if head_only else None
    data_checks = make_data_check(
        config, properties, data, backbone=backbone_model, transformed_examples=features
    )
    training = {
        "examples": examples if features is None else features,
        "transform_graph": transform.outputs["transform_graph"],
        "schema": schema,
        "base_model": backbone_model,
        "train_args": trainer_pb2.TrainArgs(splits=["train"]),
        "eval_args": trainer_pb2.EvalArgs(splits=["validation"]),
    }
    tuners = [Tuner(tuner_fn="trainer.tuner.tuner_fn", **training)] if config.tuner else []
    trainer = _trainer_class(config)(
        run_fn="trainer.train.run_fn",
        hyperparameters=tuners[0].outputs["best_hyperparameters"] if tuners else None,
        **training,
    ).with_id("Trainer")
    # The constructors of Trainer and Tuner accept `custom_config` only as a mapping. In this
    # pipeline, `custom_config` is JSON text or a placeholder for JSON text, so this function sets
    # the execution property `custom_config` after the calls of the constructors.
    for tuner in tuners:
        tuner.spec.exec_properties["custom_config"] = properties.tuner.custom_config
    for check in data_checks:
        trainer.add_upstream_node(check)
        for tuner in tuners:
            tuner.add_upstream_node(check)
    trainer.spec.exec_properties["custom_config"] = properties.trainer.custom_config
    evaluator = ModelEvaluator(
        examples=examples,
        example_splits=["test"],
        model=trainer.outputs["model"],
        schema=schema,
        eval_config=properties.evaluator.eval_config,
        champion=properties.evaluator.champion,
        records=properties.evaluator.records,
        training=properties.evaluator.training,
        data=properties.evaluator.data,
        gate=properties.evaluator.gate,
        heat_map_seconds=config.report.heat_map_seconds,
        code_fingerprint=properties.evaluator.code_fingerprint,
    ).with_id("Evaluator")
    serving_check = ServingCheck(
        model=trainer.outputs["model"],
        examples=examples,
        evaluation=evaluator.outputs["evaluation"],
        settings=properties.serving_check.settings,
    )
    pusher = ModelPusher(
        model=trainer.outputs["model"],
        model_blessing=evaluator.outputs["blessing"],
        infra_blessing=serving_check.outputs["blessing"],
        push_destination=properties.pusher.push_destination,
        custom_config=properties.pusher.custom_config,
    ).with_id("Pusher")
    report = Report(
        artifacts={
            **data.artifacts(),
            **(data_checks[0].outputs if data_checks else {}),
            "transform_graph": transform.outputs["transform_graph"],
            "model": trainer.outputs["model"],
            "model_run": trainer.outputs["model_run"],
            "evaluation": evaluator.outputs["evaluation"],
            "blessing": evaluator.outputs["blessing"],
            "infra_blessing": serving_check.outputs["blessing"],
            "pushed_model": pusher.outputs["pushed_model"],
        },
        settings=properties.report.settings,
        code_fingerprint=properties.report.code_fingerprint,
    ).with_id("Report")
    return Pipeline(
        pipeline_name=config.name,
        pipeline_root=config.pipeline_root,
        components=[
            *first,
            *data.all(),
            backbone,
            transform,
            *data_checks,
            *tuners,
            trainer,
            evaluator,
            serving_check,
            pusher,
            report,
        ],
        enable_cache=True,
        beam_pipeline_args=[_BEAM_PLUGIN, *beam_args],
    )


def create_inspection(config: Config, inputs: Inputs, beam_args: Sequence[str] = ()) -> Pipeline:
    """Builds a pipeline that only reads and checks the images, and trains no model.

    With `--data-check full`, DataCheck runs the frozen backbone once on each image.

    Args:
      config: the configuration.
      inputs: the data of the run, and the backbone for `--data-check full`.
      beam_args: flags for Beam, from `pipeline.beam.engine.beam_arguments`.
    """
    properties = make_properties(config, inputs)
    data = make_data_nodes(config, properties)
    nodes: list[BaseNode] = []
    backbone = None
    if config.data.check == "full":
        node, backbone = _backbone(config, inputs, properties)
        nodes = [node]
    checks = make_data_check(config, properties, data, backbone=backbone, transformed_examples=None)
    return Pipeline(
        pipeline_name=config.name,
        pipeline_root=config.pipeline_root,
        components=[*data.all(), *nodes, *checks],
        enable_cache=True,
        beam_pipeline_args=[_BEAM_PLUGIN, *beam_args],
    )


def _backbone(
    config: Config, inputs: Inputs | None, properties: Properties
) -> tuple[BaseNode, BaseChannel]:
    """Returns the node that outputs the backbone, and the node's output channel.

    If all nodes and Beam workers run on this machine, the artifact is the directory in which the
    command line found the backbone. In a compiled pipeline, or with Beam workers in containers or
    on other machines, the node copies the backbone to the pipeline root, because the containers or
    workers may be unable to read directories of this machine.
    """
    if inputs is None or workers_are_elsewhere(config.run.beam_args):
        node = Backbone(
            # In a run on this machine, the property `model` is the path of the SavedModel.
            # `config.model` may be a URL with a secret token, and the metadata store would record
            # the token.
            model=config.model if inputs is None else inputs.backbone,
            weights=config.weights,
            precision=config.train.precision,
            trusted=int(config.trust_model),
            fingerprint=properties.backbone.fingerprint,
        )
        return node, node.outputs["backbone"]
    node = Importer(
        source_uri=inputs.backbone,
        artifact_type=standard_artifacts.Model,
        custom_properties={"fingerprint": inputs.backbone_fingerprint},
    ).with_id("Backbone")
    return node, node.outputs["result"]


def _trainer_class(config: Config) -> type[Trainer]:
    """Returns TFX's Trainer, or `CustomJobTrainer` if Trainer runs as a custom job."""
    if not config.machines.trainer.machine_type:
        return Trainer
    # Only pipelines with a custom job import Vertex AI's client, because the import takes two
    # seconds.
    from components.custom_job_trainer.component import CustomJobTrainer

    return CustomJobTrainer
