"""Computes fingerprints of the code that each node executes.

This module imports neither TensorFlow nor TFX, which take seconds to import.
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
# If a node uses TensorFlow only to read and write files, the node's fingerprint leaves out the
# version of TensorFlow, because the contents of the files do not depend on this version.
_FILE_SYSTEMS = ("tensorflow",)
# Pusher uses PIL, NumPy and tensorflow_serving only to generate images for warm-up requests. Any
# images are suitable for warm-up requests, so Pusher's fingerprint leaves out the versions of PIL,
# NumPy and tensorflow_serving.
_WARM_UP = ("PIL", "numpy", "tensorflow_serving")

# Report imports these modules only to read the files and properties that other nodes wrote, so
# Report's fingerprint leaves out the code of these modules.
_ONLY_NAMES = (
    "components.backbone_transform.executor",
    "components.image_example_gen.counts",
    "components.model_evaluator.predictions",
    "components.model_evaluator.verdict",
    "components.model_pusher.executor",
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class NodeCode:
    """For each node, a fingerprint of the code and the libraries that determine the node's results.

    TFX itself notices changes of a node's code only if the code is a module file that the pipeline
    passes to the node. This pipeline passes the import paths of functions instead, such as
    `trainer.train.run_fn`, so TFX would reuse cached outputs after a change of the code.
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
        """Returns one fingerprint of the code of all nodes except Report.

        The fingerprint leaves out Report because Report only shows the results of the other nodes.
        """
        texts = [text for name, text in vars(self).items() if name != "report"]
        return hash_bytes("".join(texts).encode())


def hash_nodes(source: Mapping[str, Any], layout: str, split_by: str = CONTENT) -> NodeCode:
    """Computes the fingerprints of the code that a run executes.

    Args:
      source: the dataset, as the dictionary that
        `components.image_example_gen.sources.registry.make_source` takes. ImageExampleGen's
        fingerprint contains only the code that reads datasets of the kind `source["kind"]`, such as
        "folder".
      layout: the value of `pipeline.inputs.Inputs.backbone_layout`. The fingerprints of Tuner and
        Trainer contain `layout` instead of the code of the model catalogue, because training uses
        only the layout from the catalogue. The backbone itself has a separate fingerprint.
      split_by: the value of `ingest.split_by`. ImageExampleGen's fingerprint contains the code that
        finds near duplicates only if `split_by` is "near_duplicates".
    """
    kind = KINDS[source["kind"]]
    training = {_CATALOGUE: layout}
    return NodeCode(
        example_gen=hash_code(
            "components.image_example_gen.executor",
            kind.rpartition(".")[0],
            # The module `content_index` only helps to compute the fingerprint of the data and
            # cannot change the examples, so the fingerprint of the code leaves the module out.
            data={_KINDS: kind, "common.content_index": ""}
            | ({} if split_by == NEAR_DUPLICATES else {_SIMILAR: ""}),
        ),
        # StatisticsGen and SchemaGen run only code of TFX and TFDV, so their fingerprint consists
        # only of the versions of TFX and TFDV.
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
    """Returns a fingerprint of the template files for the HTML report."""
    folder = resources.files("components.report").joinpath("templates")
    files = sorted(folder.iterdir(), key=lambda file: file.name)
    return hash_bytes(b"".join(file.read_bytes() for file in files))
