"""Executor of `ServingCheck`."""

import itertools
from collections.abc import Mapping
from typing import Any

import pyarrow as pa
from absl import logging
from tfx import types
from tfx.dsl.components.base import base_executor
from tfx.types import artifact_utils, standard_component_specs
from tfx.utils import path_utils

from common.custom_config import from_custom_config
from common.memory import available_memory
from components.examples import read_images
from components.model_evaluator.predictions import read_predictions
from components.serving_check.check import ServingCheck, TestImage
from components.serving_check.findings import write_findings
from components.serving_check.settings import ServingCheckSettings

# `session_model` is imported only so that its file is part of the node's code fingerprint. To load
# the exported model, a new process runs the file of `session_model` as a script.
from trainer.serving import session_model  # noqa: F401
from trainer.serving.exported_model import read_classes
from trainer.serving.serving_process import ServingProcess
from trainer.serving.watchdog import Bounds

EVALUATION, BLESSING, SETTINGS = "evaluation", "blessing", "settings"
SPLIT = "test"
_FREE_SHARE = 0.9  # default memory limit of the process, as a share of the free memory


class Executor(base_executor.BaseExecutor):
    """Loads the exported model in the same way as a server, and sends images to the model."""

    def Do(  # noqa: N802 (TFX requires this name)
        self,
        input_dict: dict[str, list[types.Artifact]],
        output_dict: dict[str, list[types.Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Checks the model in a separate process on the CPU, and writes the findings.

        A model that fails, hangs, crashes or uses too much memory is refused, but the node itself
        succeeds.

        Raises:
          InputError: the process cannot be started, or the table of predictions cannot be read.
        """
        settings = from_custom_config(ServingCheckSettings, exec_properties[SETTINGS])
        model = path_utils.serving_model_path(
            artifact_utils.get_single_uri(input_dict[standard_component_specs.MODEL_KEY])
        )
        examples = input_dict[standard_component_specs.EXAMPLES_KEY]
        evaluation = artifact_utils.get_single_uri(input_dict[EVALUATION])
        blessing = artifact_utils.get_single_instance(output_dict[BLESSING])
        images = read_test_images(
            artifact_utils.get_split_uris(examples, SPLIT),
            choose_images(read_predictions(evaluation), settings.images),
        )
        # The model runs on the CPU, because the pipeline's own process may have allocated the whole
        # memory of the GPU.
        with ServingProcess(bounds=_bounds(settings), on_cpu=True) as process:
            check = ServingCheck(process, model, read_classes(model) or [], settings)
            check.run(images)
        write_findings(check.findings, blessing)
        for reason in check.findings.reasons:
            logging.warning("ServingCheck refuses the model: %s.", reason)


def _bounds(settings: ServingCheckSettings) -> Bounds:
    memory = (
        _FREE_SHARE * available_memory()
        if settings.max_memory_gb is None
        else settings.max_memory_gb * 1e9
    )
    return Bounds(settings.timeout_seconds, memory)


def choose_images(predictions: pa.Table, count: int) -> dict[str, dict[str, Any]]:
    """Chooses test images evenly from all classes.

    Args:
      predictions: the table of predictions for the test split.
      count: the number of images to choose.

    Returns:
      The rows of the chosen images in `predictions`, by file name.
    """
    ordered = predictions.sort_by([("label", "ascending"), ("file_name", "ascending")])
    step = max(1, ordered.num_rows / count)
    places = [int(index * step) for index in range(min(count, ordered.num_rows))]
    rows = ordered.take(places).to_pylist()
    return {row["file_name"]: row for row in rows}


def read_test_images(
    split_uris: list[str], chosen: Mapping[str, Mapping[str, Any]]
) -> list[TestImage]:
    """Reads the chosen images from the examples; stops after the last chosen image.

    Args:
      split_uris: the URIs of the test split.
      chosen: the rows of the chosen images in the table of predictions, by file name.
    """
    found: dict[str, TestImage] = {}
    for example in itertools.chain.from_iterable(map(read_images, split_uris)):
        name = example.file_name
        if name in chosen and name not in found:
            row = chosen[name]
            found[name] = TestImage(
                name=name,
                content=example.image,
                example=example.record,
                predicted=row["predicted"],
                probability=row["probability"],
                valid=row["valid"],
            )
            if len(found) == len(chosen):
                break
    return list(found.values())
