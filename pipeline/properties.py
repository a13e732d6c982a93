"""Execution properties that a run finds out: from what it reads, and from its parameters."""

import dataclasses
import json
from typing import Any

from google.protobuf import json_format
from tfx.proto import pusher_pb2
from tfx.utils import json_utils

from components.model_evaluator.records import records_directory
from components.model_pusher.executor import FAIL_ON_UNBLESSED
from pipeline.code import hash_nodes
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
    training = {
        "tune": config.tune,
        "classes": list(inputs.classes),
        "hyperparameters": dataclasses.asdict(config.train),
        "augmentation": dataclasses.asdict(config.augment),
    }
    code = hash_nodes(inputs.source, inputs.backbone_layout)
    return Properties(
        source=json.dumps(dict(inputs.source), sort_keys=True),
        source_fingerprint=inputs.source_fingerprint,
        classes=json.dumps(list(inputs.classes)),
        examples_code=code.example_gen,
        schema_fingerprint=inputs.schema_fingerprint,
        schema_code=code.schema,
        backbone_fingerprint=inputs.backbone_fingerprint,
        transform=json_utils.dumps(
            {
                "tune": config.tune,
                "code_fingerprint": code.transform,
            }
        ),
        tuning=json_utils.dumps(
            training | {"trials": config.tuner, "code_fingerprint": code.tuner}
        ),
        training=json_utils.dumps(
            training
            | {
                # Not below the Trainer's outputs: each execution has others.
                "checkpoints": f"{config.pipeline_root}/checkpoints",
                "inputs": {
                    "source": inputs.source_fingerprint,
                    "max_side": config.ingest.max_side,
                    "examples_code": code.example_gen,
                    "transform_code": code.transform,
                    "backbone": inputs.backbone_fingerprint,
                },
                "code_fingerprint": code.trainer,
            }
        ),
        gate=json_format.MessageToJson(make_eval_config(config.gate), sort_keys=True),
        gate_code=code.evaluator,
        baseline=inputs.baseline,
        records=records_directory(config.pipeline_root),
        push_destination=json_format.MessageToJson(
            destination, preserving_proto_field_name=True, sort_keys=True
        ),
        push=json_utils.dumps(
            {
                "served": inputs.served,
                FAIL_ON_UNBLESSED: config.run.fail_on_unblessed,
                "code_fingerprint": code.pusher,
            }
        ),
    )
