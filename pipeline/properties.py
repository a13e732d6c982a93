"""The execution properties that a run finds out, from its inputs and its parameters."""

import dataclasses
import json
from collections.abc import Mapping
from typing import Any

from google.protobuf import json_format
from tfx.proto import pusher_pb2

from common.custom_config import to_custom_config
from components.image_example_gen.unread import unread_directory
from components.model_evaluator.records import records_directory
from components.model_pusher.settings import PusherSettings
from components.property_value import PropertyValue
from pipeline.code import hash_nodes
from pipeline.gate import make_eval_config
from pipeline.inputs import Inputs
from pipeline.node_properties import (
    BackboneProperties,
    EvaluatorProperties,
    ExampleGenProperties,
    PusherProperties,
    SchemaProperties,
    TrainerProperties,
    TransformProperties,
    TunerProperties,
    ValidationProperties,
)
from pipeline.options.config import Config
from trainer.training.run_label import RunLabel
from trainer.training.settings import (
    TrainerSettings,
    TrainingInputs,
    TrainingSettings,
    TunerSettings,
)
from trainer.transform_settings import TransformSettings


@dataclasses.dataclass(frozen=True, kw_only=True)
class Properties:
    """The execution properties of each node, as texts, or as placeholders of texts.

    A run on this machine knows the texts before it begins. In a compiled pipeline the first node,
    `ResolveInputs`, finds them out, and the other nodes take them from it by value: so a run looks
    at its source anew however long ago it was compiled, and a node whose properties are as before
    is taken from the cache.
    """

    example_gen: ExampleGenProperties
    validation: ValidationProperties
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
    """Returns the properties of a run of `config` on `inputs`."""
    code = hash_nodes(inputs.source, inputs.backbone_layout)
    training = TrainingSettings(
        tune=config.tune,
        classes=inputs.classes,
        hyperparameters=config.train,
        augmentation=config.augment,
    )
    training_inputs = TrainingInputs(
        source_fingerprint=inputs.source_fingerprint,
        max_side=config.ingest.max_side,
        examples_code=code.example_gen,
        transform_code=code.transform,
        backbone_fingerprint=inputs.backbone_fingerprint,
    )
    transform_settings = TransformSettings(tune=config.tune, code_fingerprint=code.transform)
    label = RunLabel(name=config.name, options=config.options_beside_recipe())
    tuner_settings = TunerSettings(
        training=training, label=label, trials=config.tuner, code_fingerprint=code.tuner
    )
    trainer_settings = TrainerSettings(
        training=training,
        inputs=training_inputs,
        label=label,
        # Not below the Trainer's outputs: each execution has others.
        checkpoints=f"{config.pipeline_root}/checkpoints",
        code_fingerprint=code.trainer,
    )
    pusher_settings = PusherSettings(
        serving_state=inputs.served,
        fail_on_unblessed=config.run.fail_on_unblessed,
        code_fingerprint=code.pusher,
    )
    return Properties(
        example_gen=ExampleGenProperties(
            source=json.dumps(dict(inputs.source), sort_keys=True),
            classes=json.dumps(list(inputs.classes)),
            source_fingerprint=inputs.source_fingerprint,
            code_fingerprint=code.example_gen,
            unread_notes=unread_directory(config.pipeline_root),
        ),
        validation=ValidationProperties(library_fingerprint=code.validation),
        schema=SchemaProperties(
            fingerprint=inputs.schema_fingerprint,
            code_fingerprint=code.schema,
        ),
        backbone=BackboneProperties(fingerprint=inputs.backbone_fingerprint),
        transform=TransformProperties(custom_config=to_custom_config(transform_settings)),
        tuner=TunerProperties(custom_config=to_custom_config(tuner_settings)),
        trainer=TrainerProperties(custom_config=to_custom_config(trainer_settings)),
        evaluator=EvaluatorProperties(
            eval_config=json_format.MessageToJson(make_eval_config(config.gate), sort_keys=True),
            baseline=inputs.baseline,
            records=records_directory(config.pipeline_root),
            code_fingerprint=code.evaluator,
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
