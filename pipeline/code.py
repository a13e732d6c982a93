"""Takes fingerprints of the code that each node executes. Imports neither TensorFlow nor TFX."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from common.fingerprint import hash_code, hash_libraries
from components.image_example_gen.sources.kinds import KINDS

_KINDS = "components.image_example_gen.sources.kinds"
_CATALOGUE = "backbones.catalogue"
# Some nodes use this library only to read and write files and records, and all its versions write
# the same bytes.
_FILE_SYSTEMS = ("tensorflow",)
# Pusher generates the images of its warm-up requests with these libraries; their content does not
# matter.
_WARM_UP = ("PIL", "numpy", "tensorflow_serving")


@dataclasses.dataclass(frozen=True, kw_only=True)
class NodeCode:
    """For each node, the fingerprint of its code and of the libraries that its results depend on.

    TFX itself takes fingerprints of module files only, but here functions are given by import path.
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
    """Takes the fingerprints of the code that a run executes.

    Args:
      source: the argument of `components.image_example_gen.sources.registry.make_source`. The code
        of other kinds of sources is not part of the fingerprint.
      layout: `backbone_layout` of `pipeline.inputs.Inputs`, the only part of the catalogue that
        training uses. The rest of the catalogue is not part of the fingerprint, since the backbone
        has a fingerprint of its own.
    """
    kind = KINDS[source["kind"]]
    training = {_CATALOGUE: layout}
    return NodeCode(
        example_gen=hash_code(
            "components.image_example_gen.executor",
            kind.rpartition(".")[0],
            # The index serves to compute the source's fingerprint, and does not change examples.
            data={_KINDS: kind, "common.content_index": ""},
        ),
        # StatisticsGen, SchemaGen and ExampleValidator run only code of TFX and TFDV.
        validation=hash_libraries("tfx", "tensorflow_data_validation"),
        schema=hash_code("components.packaged_schema.component", without=_FILE_SYSTEMS),
        transform=hash_code("trainer.preprocessing", "components.backbone_transform.executor"),
        tuner=hash_code("trainer.tuner", data=training),
        trainer=hash_code("trainer.train", data=training),
        evaluator=hash_code("components.model_evaluator.executor"),
        pusher=hash_code("components.model_pusher.executor", without=(*_FILE_SYSTEMS, *_WARM_UP)),
    )
