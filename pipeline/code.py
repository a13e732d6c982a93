"""Takes fingerprints of the code that each node executes. This module imports neither TensorFlow
nor TFX.
"""

import dataclasses
from collections.abc import Mapping
from importlib import resources
from typing import Any

from common.fingerprint import hash_bytes, hash_code, hash_libraries
from components.image_example_gen.sources.kinds import KINDS
from components.image_example_gen.split import CONTENT, NEAR_DUPLICATES

_KINDS = "components.image_example_gen.sources.kinds"
_SIMILAR = "components.image_example_gen.similar_images"
_CATALOGUE = "backbones.catalogue"
# Some nodes use TensorFlow only to read and write files and records, and all versions of TensorFlow
# write the same bytes.
_FILE_SYSTEMS = ("tensorflow",)
# Pusher uses these libraries only to generate the images of its warm-up requests, whose content
# does not matter.
_WARM_UP = ("PIL", "numpy", "tensorflow_serving")

# Report uses only the names of files and properties from these modules of other nodes.
_ONLY_NAMES = (
    "components.backbone_transform.executor",
    "components.image_example_gen.counts",
    "components.model_evaluator.predictions",
    "components.model_evaluator.verdict",
    "components.model_pusher.executor",
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class NodeCode:
    """For each node, the fingerprint of its code and of the libraries on which its results depend.

    TFX itself takes fingerprints only of module files, but this pipeline names functions by import
    path.
    """

    example_gen: str
    validation: str
    example_check: str
    data_check: str
    full_data_check: str
    schema: str
    transform: str
    tuner: str
    trainer: str
    evaluator: str
    serving_check: str
    pusher: str
    report: str

    def all(self) -> str:
        """Returns a fingerprint of the code of all nodes except Report."""
        texts = [text for name, text in vars(self).items() if name != "report"]
        return hash_bytes("".join(texts).encode())


def hash_nodes(source: Mapping[str, Any], layout: str, split_by: str = CONTENT) -> NodeCode:
    """Takes the fingerprints of the code that a run executes.

    Args:
      source: the argument of `components.image_example_gen.sources.registry.make_source`. Only the
        code of this kind of source is part of the fingerprint.
      layout: `backbone_layout` of `pipeline.inputs.Inputs`, the only part of the catalogue that
        training uses. The rest of the catalogue is not part of the fingerprint, since the backbone
        has a fingerprint of its own.
      split_by: the value of `ingest.split_by`. The fingerprint contains the code that finds near
        duplicates only if `split_by` requires this code.
    """
    kind = KINDS[source["kind"]]
    training = {_CATALOGUE: layout}
    return NodeCode(
        example_gen=hash_code(
            "components.image_example_gen.executor",
            kind.rpartition(".")[0],
            # The index of file contents is used only to compute the source's fingerprint, and does
            # not change examples.
            data={_KINDS: kind, "common.content_index": ""}
            | ({} if split_by == NEAR_DUPLICATES else {_SIMILAR: ""}),
        ),
        # StatisticsGen and SchemaGen run only code of TFX and TFDV.
        validation=hash_libraries("tfx", "tensorflow_data_validation"),
        example_check=hash_code("components.example_check.executor", without=_FILE_SYSTEMS),
        data_check=hash_code("components.data_check.executor", without=_FILE_SYSTEMS),
        full_data_check=hash_code("components.data_check.full_executor"),
        schema=hash_code("components.packaged_schema.component", without=_FILE_SYSTEMS),
        transform=hash_code("trainer.preprocessing", "components.backbone_transform.executor"),
        tuner=hash_code("trainer.tuner", data=training),
        trainer=hash_code("trainer.train", data=training),
        evaluator=hash_code("components.model_evaluator.executor"),
        serving_check=hash_code("components.serving_check.executor"),
        pusher=hash_code("components.model_pusher.executor", without=(*_FILE_SYSTEMS, *_WARM_UP)),
        report=hash_bytes(
            (
                hash_code("components.report.executor", data=dict.fromkeys(_ONLY_NAMES, ""))
                + _hash_templates()
            ).encode()
        ),
    )


def _hash_templates() -> str:
    """Returns a fingerprint of the template files of the report's page."""
    folder = resources.files("components.report").joinpath("templates")
    files = sorted(folder.iterdir(), key=lambda file: file.name)
    return hash_bytes(b"".join(file.read_bytes() for file in files))
