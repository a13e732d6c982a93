"""The execution properties that a run finds out, from its inputs and its parameters."""

import dataclasses
import json
from collections.abc import Mapping
from typing import Any

from google.protobuf import json_format
from tfx.proto import pusher_pb2

from common.custom_config import to_custom_config
from common.fingerprint import hash_code
from components.model_evaluator.records import records_directory
from components.model_pusher.settings import PusherSettings
from components.property_value import PropertyValue
from pipeline.gate import make_eval_config
from pipeline.inputs import Inputs
from pipeline.options.config import Config
from trainer.training.settings import (
    TrainerSettings,
    TrainingInputs,
    TrainingSettings,
    TunerSettings,
)
from trainer.transform_settings import TransformSettings


@dataclasses.dataclass(frozen=True, kw_only=True)
class ExampleGenProperties:
    """Execution properties of ImageExampleGen.

    Attributes:
      source: argument of `components.image_example_gen.sources.registry.make_source`, as JSON.
      classes: the class names, as JSON.
      source_fingerprint: fingerprint of the images.
      code_fingerprint: fingerprint of the node's code.
    """

    source: PropertyValue
    classes: PropertyValue
    source_fingerprint: PropertyValue
    code_fingerprint: PropertyValue


@dataclasses.dataclass(frozen=True, kw_only=True)
class SchemaProperties:
    """Execution properties of PackagedSchema.

    Attributes:
      fingerprint: fingerprint of the schema's file; empty if the schema is inferred.
      code_fingerprint: fingerprint of the node's code.
    """

    fingerprint: PropertyValue
    code_fingerprint: PropertyValue


@dataclasses.dataclass(frozen=True, kw_only=True)
class BackboneProperties:
    """Execution properties of Backbone.

    Attributes:
      fingerprint: fingerprint of the SavedModel.
    """

    fingerprint: PropertyValue


@dataclasses.dataclass(frozen=True, kw_only=True)
class TransformProperties:
    """Execution properties of Transform.

    Attributes:
      custom_config: `trainer.transform_settings.TransformSettings`, as JSON.
    """

    custom_config: PropertyValue


@dataclasses.dataclass(frozen=True, kw_only=True)
class TunerProperties:
    """Execution properties of Tuner.

    Attributes:
      custom_config: `trainer.training.settings.TunerSettings`, as JSON.
    """

    custom_config: PropertyValue


@dataclasses.dataclass(frozen=True, kw_only=True)
class TrainerProperties:
    """Execution properties of Trainer.

    Attributes:
      custom_config: `trainer.training.settings.TrainerSettings`, as JSON.
    """

    custom_config: PropertyValue


@dataclasses.dataclass(frozen=True, kw_only=True)
class EvaluatorProperties:
    """Execution properties of Evaluator.

    Attributes:
      eval_config: TFMA's EvalConfig, as JSON.
      baseline: URI of the model to compare with, or `components.model_evaluator.records.NONE`.
      records: directory in which a blessing is recorded.
      code_fingerprint: fingerprint of the node's code.
    """

    eval_config: PropertyValue
    baseline: PropertyValue
    records: PropertyValue
    code_fingerprint: PropertyValue


@dataclasses.dataclass(frozen=True, kw_only=True)
class PusherProperties:
    """Execution properties of Pusher.

    Attributes:
      push_destination: TFX's PushDestination, as JSON.
      custom_config: `components.model_pusher.settings.PusherSettings`, as JSON.
    """

    push_destination: PropertyValue
    custom_config: PropertyValue


@dataclasses.dataclass(frozen=True, kw_only=True)
class Properties:
    """The execution properties of each node, as texts, or as placeholders of texts.

    A run on this machine knows the texts before it begins. In a compiled pipeline the first node,
    `ResolveInputs`, finds them out, and the other nodes take them from it by value: so a run looks
    at its source anew however long ago it was compiled, and a node whose properties are as before
    is taken from the cache.
    """

    example_gen: ExampleGenProperties
    schema: SchemaProperties
    backbone: BackboneProperties
    transform: TransformProperties
    tuner: TunerProperties
    trainer: TrainerProperties
    evaluator: EvaluatorProperties
    pusher: PusherProperties

    def by_name(self) -> dict[str, PropertyValue]:
        """The value of each property by `<node>_<property>`, such as `evaluator_baseline`."""
        return {
            f"{node}_{name}": value
            for node, properties in vars(self).items()
            for name, value in vars(properties).items()
        }

    @classmethod
    def from_names(cls, values: Mapping[str, PropertyValue]) -> "Properties":
        """The properties whose `by_name` is `values`."""
        nodes: dict[str, Any] = {
            node: properties(**{name: values[f"{node}_{name}"] for name in _fields(properties)})
            for node, properties in _fields(cls).items()
        }
        return cls(**nodes)


def _fields(properties: Any) -> dict[str, Any]:
    """The type of each field of a dataclass, by its name."""
    return {field.name: field.type for field in dataclasses.fields(properties)}


PROPERTY_NAMES = tuple(
    f"{node}_{name}"
    for node, properties in _fields(Properties).items()
    for name in _fields(properties)
)


def make_properties(config: Config, inputs: Inputs) -> Properties:
    """The properties of a run of `config` on `inputs`."""
    examples_code = hash_code("components.image_example_gen.executor")
    transform_code = hash_code("trainer.preprocessing", "components.backbone_transform.executor")
    training = TrainingSettings(
        tune=config.tune,
        classes=inputs.classes,
        hyperparameters=config.train,
        augmentation=config.augment,
    )
    training_inputs = TrainingInputs(
        source_fingerprint=inputs.source_fingerprint,
        max_side=config.ingest.max_side,
        examples_code=examples_code,
        transform_code=transform_code,
        backbone_fingerprint=inputs.backbone_fingerprint,
    )
    transform_settings = TransformSettings(tune=config.tune, code_fingerprint=transform_code)
    tuner_settings = TunerSettings(
        training=training, trials=config.tuner, code_fingerprint=hash_code("trainer.tuner")
    )
    trainer_settings = TrainerSettings(
        training=training,
        inputs=training_inputs,
        # Not below the Trainer's outputs: each execution has others.
        checkpoints=f"{config.pipeline_root}/checkpoints",
        code_fingerprint=hash_code("trainer.train"),
    )
    pusher_settings = PusherSettings(
        serving_state=inputs.served,
        fail_on_unblessed=config.run.fail_on_unblessed,
        code_fingerprint=hash_code("components.model_pusher.executor"),
    )
    return Properties(
        example_gen=ExampleGenProperties(
            source=json.dumps(dict(inputs.source), sort_keys=True),
            classes=json.dumps(list(inputs.classes)),
            source_fingerprint=inputs.source_fingerprint,
            code_fingerprint=examples_code,
        ),
        schema=SchemaProperties(
            fingerprint=inputs.schema_fingerprint,
            code_fingerprint=hash_code("components.packaged_schema.component"),
        ),
        backbone=BackboneProperties(fingerprint=inputs.backbone_fingerprint),
        transform=TransformProperties(custom_config=to_custom_config(transform_settings)),
        tuner=TunerProperties(custom_config=to_custom_config(tuner_settings)),
        trainer=TrainerProperties(custom_config=to_custom_config(trainer_settings)),
        evaluator=EvaluatorProperties(
            eval_config=json_format.MessageToJson(make_eval_config(config.gate), sort_keys=True),
            baseline=inputs.baseline,
            records=records_directory(config.pipeline_root),
            code_fingerprint=hash_code("components.model_evaluator.executor"),
        ),
        pusher=PusherProperties(
            push_destination=_push_destination(config.serving_dir),
            custom_config=to_custom_config(pusher_settings),
        ),
    )


def _push_destination(serving_dir: str) -> str:
    """TFX's PushDestination for a serving directory, as JSON."""
    destination = pusher_pb2.PushDestination(
        filesystem=pusher_pb2.PushDestination.Filesystem(base_directory=serving_dir)
    )
    return json_format.MessageToJson(destination, preserving_proto_field_name=True, sort_keys=True)
