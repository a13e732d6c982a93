"""Execution properties that a run finds out: from what it reads, and from its parameters."""

import dataclasses
import json
from typing import Any

from google.protobuf import json_format
from tfx.proto import pusher_pb2
from tfx.utils import json_utils

from backbones.reference import parse_model
from common import fingerprint
from components.model_evaluator.records import directory_of
from components.model_pusher.executor import FAIL_ON_UNBLESSED
from pipeline.gate import make_eval_config
from pipeline.inputs import Inputs
from pipeline.options.config import Config


@dataclasses.dataclass(frozen=True, kw_only=True)
class Properties:
    """Texts, each the value of an execution property of some node, or a placeholder of it.

    A run on this machine knows them before it begins. The first node of a compiled pipeline,
    `ResolveInputs`, finds them out, and the others take them from it by value: so a run looks at
    its source anew however long ago it was compiled, and a node whose properties are as before is
    taken from the cache.

    Attributes:
      source: for `components.image_example_gen.sources.registry.make_source`, JSON.
      source_fingerprint: of the images.
      classes: the class names, JSON.
      examples_code: fingerprint of ImageExampleGen's code.
      schema_fingerprint: of the packaged schema's file.
      schema_code: fingerprint of PackagedSchema's code.
      backbone_fingerprint: of its SavedModel.
      transform: Transform's custom_config, JSON.
      tuning: Tuner's custom_config, JSON.
      training: Trainer's custom_config, JSON.
      gate: TFMA's EvalConfig, JSON.
      gate_code: fingerprint of ModelEvaluator's code.
      baseline: URI of the model to compare with, or `components.model_evaluator.records.NONE`.
      records: directory where a blessing is recorded.
      push_destination: TFX's PushDestination, JSON.
      push: ModelPusher's custom_config, JSON.
    """

    source: Any
    source_fingerprint: Any
    classes: Any
    examples_code: Any
    schema_fingerprint: Any
    schema_code: Any
    backbone_fingerprint: Any
    transform: Any
    tuning: Any
    training: Any
    gate: Any
    gate_code: Any
    baseline: Any
    records: Any
    push_destination: Any
    push: Any


def make_properties(config: Config, inputs: Inputs) -> Properties:
    """The properties of a run of `config` on `inputs`."""
    destination = pusher_pb2.PushDestination(
        filesystem=pusher_pb2.PushDestination.Filesystem(base_directory=config.serving_dir)
    )
    limits = {"max_side": config.ingest.max_side, "max_pixels": config.ingest.max_pixels}
    training = {
        "tune": config.tune,
        "classes": list(inputs.classes),
        "hyperparameters": dataclasses.asdict(config.train),
        "augmentation": dataclasses.asdict(config.augment),
        "limits": limits,
        "input_range": config.backbone.input_range,
        "precision": config.serve.precision,
    }
    examples_code = fingerprint.hash_code("components.image_example_gen.executor")
    transform_code = fingerprint.hash_code(
        "trainer.preprocessing", "components.backbone_transform.executor"
    )
    return Properties(
        source=json.dumps(dict(inputs.source), sort_keys=True),
        source_fingerprint=inputs.source_fingerprint,
        classes=json.dumps(list(inputs.classes)),
        examples_code=examples_code,
        schema_fingerprint=inputs.schema_fingerprint,
        schema_code=fingerprint.hash_code("components.packaged_schema.component"),
        backbone_fingerprint=inputs.backbone_fingerprint,
        transform=json_utils.dumps(
            {
                "tune": config.tune,
                "input_range": config.backbone.input_range,
                # Of AugReg's models it is known.
                "check_input_range": not parse_model(config.model).is_augreg,
                "code_fingerprint": transform_code,
            }
        ),
        tuning=json_utils.dumps(
            training
            | {"trials": config.tuner, "code_fingerprint": fingerprint.hash_code("trainer.tuner")}
        ),
        training=json_utils.dumps(
            training
            | {
                # Not below the Trainer's outputs: each execution has others.
                "checkpoints": f"{config.pipeline_root}/checkpoints",
                "inputs": {
                    "source": inputs.source_fingerprint,
                    **limits,
                    "examples_code": examples_code,
                    "transform_code": transform_code,
                    "backbone": inputs.backbone_fingerprint,
                },
                "code_fingerprint": fingerprint.hash_code("trainer.train"),
            }
        ),
        gate=json_format.MessageToJson(make_eval_config(config.gate), sort_keys=True),
        gate_code=fingerprint.hash_code("components.model_evaluator.executor"),
        baseline=inputs.baseline,
        records=directory_of(config.pipeline_root),
        push_destination=json_format.MessageToJson(
            destination, preserving_proto_field_name=True, sort_keys=True
        ),
        push=json_utils.dumps(
            {
                "served": inputs.served,
                FAIL_ON_UNBLESSED: config.run.fail_on_unblessed,
                "code_fingerprint": fingerprint.hash_code("components.model_pusher.executor"),
            }
        ),
    )
