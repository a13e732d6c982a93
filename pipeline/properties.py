"""Computes the execution properties of all nodes from the inputs and the options of a run."""

import dataclasses
import json
from collections.abc import Mapping
from typing import Any

from google.protobuf import json_format
from tfx.proto import pusher_pb2

from backbones.reference import parse_model
from common.custom_config import to_custom_config
from common.fingerprint import hash_bytes
from components.image_example_gen.listing import listing_path
from components.image_example_gen.unread import unread_directory
from components.model_evaluator.records import NONE, Blessing, records_directory
from components.model_evaluator.settings import GateSettings
from components.model_pusher.last_push import push_record
from components.model_pusher.settings import PusherSettings
from components.property_value import PropertyValue
from components.serving_check.settings import ServingCheckSettings
from pipeline.code import hash_nodes
from pipeline.eval_config import make_eval_config
from pipeline.inputs import Inputs
from pipeline.node_properties import (
    BackboneProperties,
    DataCheckProperties,
    EvaluatorProperties,
    ExampleGenProperties,
    PusherProperties,
    ReportProperties,
    SchemaProperties,
    ServingCheckProperties,
    TrainerProperties,
    TransformProperties,
    TunerProperties,
    ValidationProperties,
)
from pipeline.options.config import Config
from pipeline.options.endpoint import make_endpoint_settings
from pipeline.report_settings import make_report_settings
from trainer.decoding.limits import Limits
from trainer.training.run_label import RunLabel
from trainer.training.settings import (
    ServingSettings,
    TrainerSettings,
    TrainingInputs,
    TrainingSettings,
    TunerSettings,
)
from trainer.transform_settings import TransformSettings


@dataclasses.dataclass(frozen=True, kw_only=True)
class Properties:
    """The execution properties of each node, as strings or as TFX placeholders for strings.

    In a run on this machine, the command line computes the properties before the pipeline starts.
    In a compiled pipeline, the properties are placeholders for the outputs of the first node,
    `ResolveInputs`, which computes the properties in each run. The properties contain the
    fingerprint of the data, so each run of a compiled pipeline notices changes of the data. A node
    whose properties and inputs have not changed takes its outputs from the cache.
    """

    example_gen: ExampleGenProperties
    validation: ValidationProperties
    data_check: DataCheckProperties
    schema: SchemaProperties
    backbone: BackboneProperties
    transform: TransformProperties
    tuner: TunerProperties
    trainer: TrainerProperties
    evaluator: EvaluatorProperties
    serving_check: ServingCheckProperties
    pusher: PusherProperties
    report: ReportProperties

    def by_name(self) -> dict[str, PropertyValue]:
        """Returns the values of all properties, by keys such as `evaluator_champion`."""
        return {
            f"{node}_{name}": value
            for node, properties in vars(self).items()
            for name, value in vars(properties).items()
        }

    @classmethod
    def from_names(cls, values: Mapping[str, PropertyValue]) -> "Properties":
        """Builds the properties from a dictionary such as `by_name` returns."""
        nodes: dict[str, Any] = {
            node: properties(**{name: values[f"{node}_{name}"] for name in _fields(properties)})
            for node, properties in _fields(cls).items()
        }
        return cls(**nodes)


def _fields(properties: Any) -> dict[str, Any]:
    """Returns the types of the fields of a dataclass, by field name."""
    return {field.name: field.type for field in dataclasses.fields(properties)}


PROPERTY_NAMES = tuple(
    f"{node}_{name}"
    for node, properties in _fields(Properties).items()
    for name in _fields(properties)
)


def make_properties(config: Config, inputs: Inputs) -> Properties:
    """Returns the execution properties for a run with the given options and inputs."""
    code = hash_nodes(inputs.source, inputs.backbone_layout, config.ingest.split_by)
    training = TrainingSettings(
        tune=config.tune,
        classes=inputs.classes,
        hyperparameters=config.train,
        augmentation=config.augment,
        input_range=config.backbone.input_range,
    )
    training_inputs = TrainingInputs(
        source_fingerprint=inputs.source_fingerprint,
        max_side=config.ingest.max_side,
        max_pixels=config.ingest.max_pixels,
        max_value=config.ingest.max_value,
        examples_code=code.example_gen,
        transform_code=code.transform,
        backbone_fingerprint=inputs.backbone_fingerprint,
        split_by=config.ingest.split_by,
    )
    transform_settings = TransformSettings(
        tune=config.tune,
        input_range=config.backbone.input_range,
        # Transform checks whether the user gave the right range of pixel values for the model. For
        # AugReg's models, the right range is known, so Transform does not check it.
        check_input_range=not parse_model(config.model).is_augreg,
        code_fingerprint=code.transform,
    )
    label = RunLabel(name=config.name, options=config.options_that_differ_from_recipe())
    tuner_settings = TunerSettings(
        training=training, label=label, trials=config.tuner, code_fingerprint=code.tuner
    )
    trainer_settings = TrainerSettings(
        training=training,
        serving=ServingSettings(
            limits=Limits(
                max_side=config.ingest.max_side,
                max_pixels=config.ingest.max_pixels,
                max_value=config.ingest.max_value,
            ),
            precision=config.serve.precision,
        ),
        inputs=training_inputs,
        label=label,
        # The checkpoints are not in Trainer's output directory, because each execution of Trainer
        # has a new output directory, but must find the checkpoints of earlier executions.
        checkpoints=f"{config.state_dir}/checkpoints",
        code_fingerprint=code.trainer,
    )
    fingerprint = _training_fingerprint(inputs, trainer_settings, tuner_settings)
    champion = next((b for by, b in inputs.champions.items() if by != fingerprint), None)
    pusher_settings = PusherSettings(
        serving_state=inputs.serving.key(fingerprint),
        push_record=push_record(config.state_dir),
        training=fingerprint,
        fail_on_unblessed=config.run.fail_on_unblessed,
        keep_versions=config.serve.keep_versions,
        model_name=config.name,
        max_batch=config.serve.max_batch,
        endpoint=make_endpoint_settings(config.name, config.endpoint, config.cloud),
        code_fingerprint=code.pusher,
    )
    example_gen = ExampleGenProperties(
        source=json.dumps(dict(inputs.source), sort_keys=True),
        classes=json.dumps(list(inputs.classes)),
        source_fingerprint=inputs.source_fingerprint,
        code_fingerprint=code.example_gen,
        unread_notes=unread_directory(config.state_dir),
        listing=listing_path(config.state_dir, inputs.source_fingerprint),
    )
    data = _data_fingerprint(example_gen, training_inputs)
    return Properties(
        example_gen=example_gen,
        validation=ValidationProperties(
            library_fingerprint=code.validation,
            check_fingerprint=code.example_check,
            champion_counts=_champion_counts(champion, data),
        ),
        data_check=DataCheckProperties(
            code_fingerprint=code.full_data_check
            if config.data.check == "full"
            else code.data_check
        ),
        schema=SchemaProperties(
            content=inputs.schema,
            code_fingerprint=code.schema,
        ),
        backbone=BackboneProperties(fingerprint=inputs.backbone_fingerprint),
        transform=TransformProperties(custom_config=to_custom_config(transform_settings)),
        tuner=TunerProperties(custom_config=to_custom_config(tuner_settings)),
        trainer=TrainerProperties(custom_config=to_custom_config(trainer_settings)),
        evaluator=EvaluatorProperties(
            eval_config=json_format.MessageToJson(make_eval_config(), sort_keys=True),
            champion=champion.record if champion else NONE,
            records=records_directory(config.state_dir),
            training=fingerprint,
            data=data,
            gate=to_custom_config(GateSettings(**vars(config.gate))),
            code_fingerprint=code.evaluator,
        ),
        serving_check=ServingCheckProperties(
            settings=to_custom_config(
                ServingCheckSettings(
                    images=config.serving_check.images,
                    timeout_seconds=config.serving_check.timeout_seconds,
                    max_memory_gb=config.serving_check.max_memory_gb,
                    max_p99_ms=config.serving_check.max_p99_ms,
                    tolerance=_tolerance(config),
                    code_fingerprint=code.serving_check,
                )
            )
        ),
        pusher=PusherProperties(
            push_destination=_push_destination(config.serving_dir),
            custom_config=to_custom_config(pusher_settings),
        ),
        report=ReportProperties(
            settings=to_custom_config(
                make_report_settings(
                    config,
                    inputs,
                    training=fingerprint,
                    champion=champion.record if champion else "",
                    code=code.all(),
                )
            ),
            code_fingerprint=code.report,
        ),
    )


def _data_fingerprint(example_gen: ExampleGenProperties, inputs: TrainingInputs) -> str:
    """Returns the fingerprint of everything that determines the examples."""
    limits = (inputs.max_side, inputs.max_pixels, inputs.max_value)
    texts = [example_gen.source, example_gen.classes, inputs.source_fingerprint]
    return hash_bytes(json.dumps([*texts, inputs.examples_code, *limits]).encode())


def _champion_counts(champion: Blessing | None, data: str) -> str:
    """Returns how many images of each class `champion` was trained on, as a JSON list.

    The result is "null" if `champion` is None, or if `champion` was trained on the same examples as
    this run. Without the second rule, ExampleValidator, which has the result as an execution
    property, would run again for each new champion, although the examples are the same.
    """
    if champion is None or champion.data == data:
        return "null"
    return json.dumps(list(champion.class_counts))


def _tolerance(config: Config) -> float:
    """Returns the largest allowed difference between two predicted probabilities for one image.

    ServingCheck sends an image to the model in several requests, and compares the predicted
    probabilities with each other and with Evaluator's predictions. The default tolerance is larger
    for mixed precision than for float32, because rounding errors are larger in 16 bits, and the
    order in which sums are rounded depends on the batch.
    """
    if config.serving_check.tolerance is not None:
        return config.serving_check.tolerance
    return 1e-4 if config.train.precision == "float32" else 0.02


def _training_fingerprint(inputs: Inputs, trainer: TrainerSettings, tuner: TunerSettings) -> str:
    """Returns the fingerprint of everything that determines a model: options, code and data."""
    determining = dataclasses.replace(trainer, checkpoints="")
    texts = [to_custom_config(determining), inputs.schema]
    if tuner.trials:
        texts.append(to_custom_config(tuner))
    return hash_bytes("\0".join(texts).encode())


def _push_destination(serving_dir: str) -> str:
    """Returns TFX's PushDestination for a serving directory, as JSON."""
    destination = pusher_pb2.PushDestination(
        filesystem=pusher_pb2.PushDestination.Filesystem(base_directory=serving_dir)
    )
    return json_format.MessageToJson(destination, preserving_proto_field_name=True, sort_keys=True)
