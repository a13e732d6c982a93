"""Fingerprints of the code that each node executes. Imports neither TensorFlow nor TFX."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from common.fingerprint import hash_code, hash_libraries
from components.image_example_gen.sources.kinds import KINDS

_KINDS = "components.image_example_gen.sources.kinds"
_CATALOGUE = "backbones.catalogue"


@dataclasses.dataclass(frozen=True, kw_only=True)
class NodeCode:
    """For each node, the fingerprint of its code and of the libraries that its numbers depend on.

    TFX hashes module files only; our code is given to it by import path.
    """

    example_gen: str
    validation: str
    schema: str
    transform: str
    tuner: str
    trainer: str
    evaluator: str
    pusher: str


def hash_nodes(source: Mapping[str, Any], layout: str) -> NodeCode:
    """The code of a run.

    Args:
      source: as `components.image_example_gen.sources.registry.make_source` takes it. The code of
        other kinds of sources does not count.
      layout: what the training takes from the catalogue, as `pipeline.inputs.Inputs` has it. The
        rest of the catalogue does not count, since the backbone has a fingerprint of its own.
    """
    kind = KINDS[source["kind"]]
    training = {_CATALOGUE: layout}
    return NodeCode(
        example_gen=hash_code(
            "components.image_example_gen.executor",
            kind.rpartition(".")[0],
            # The index tells what the images are; it is no way to the examples.
            data={_KINDS: kind, "common.content_index": ""},
            # It writes examples and reads records there, whose bytes are the same in any version.
            apart=("tensorflow",),
        ),
        # StatisticsGen, SchemaGen and ExampleValidator: code of TFX alone.
        validation=hash_libraries("tfx", "tensorflow_data_validation"),
        schema=hash_code("components.packaged_schema.component"),
        transform=hash_code("trainer.preprocessing", "components.backbone_transform.executor"),
        tuner=hash_code("trainer.tuner", data=training),
        trainer=hash_code("trainer.train", data=training),
        evaluator=hash_code("components.model_evaluator.executor"),
        pusher=hash_code("components.model_pusher.executor"),
    )
