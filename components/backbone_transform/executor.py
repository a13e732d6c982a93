"""Executor of `BackboneTransform`."""

import dataclasses
from typing import Any

from absl import logging
from tfx import types
from tfx.components.transform import executor
from tfx.dsl.io import fileio
from tfx.types import artifact_utils, standard_component_specs
from tfx.types.standard_component_specs import EXAMPLES_KEY, TRANSFORMED_EXAMPLES_KEY

from backbones.contract import share_backbone
from common.custom_config import from_custom_config, to_custom_config
from common.example_counts import COUNTS_FILE
from common.replace_attribute import replace_attribute
from components.backbone_transform.input_range import warn_of_input_range
from trainer.preprocessing import CHUNK
from trainer.transform_settings import TransformSettings

BACKBONE_KEY = "backbone"
WARNING = "warning"  # the custom property of the TransformGraph artifact that contains a warning


class Executor(executor.Executor):
    """TFX's executor of Transform, extended to pass the backbone's path to `preprocessing_fn`.

    The executor also copies `counts.json`, which contains the numbers of images, into the artifact
    of the transformed examples.
    """

    def Do(  # noqa: N802 (TFX requires this name)
        self,
        input_dict: dict[str, list[types.Artifact]],
        output_dict: dict[str, list[types.Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Runs TFX's Transform, and passes the path of the backbone to `preprocessing_fn`.

        If `check_input_range` is set and the backbone works better with another range of pixel
        values, the executor writes a warning into the custom property `warning` of the
        TransformGraph artifact.
        """
        inputs = dict(input_dict)
        directory = artifact_utils.get_single_uri(inputs.pop(BACKBONE_KEY))
        key = standard_component_specs.CUSTOM_CONFIG_KEY
        settings = from_custom_config(TransformSettings, exec_properties[key])
        settings = dataclasses.replace(settings, backbone=directory)
        custom_config = to_custom_config(settings)
        with share_backbone(), replace_attribute(executor, "TransformProcessor", _Processor):
            if settings.check_input_range:
                _check_input_range(input_dict, output_dict, settings)
            super().Do(inputs, output_dict, exec_properties | {key: custom_config})
        # With `--tune head`, Trainer reads the transformed examples, and expects `counts.json` in
        # the same artifact.
        for transformed in output_dict.get(TRANSFORMED_EXAMPLES_KEY, ()):
            examples = artifact_utils.get_single_uri(inputs[EXAMPLES_KEY])
            fileio.makedirs(transformed.uri)
            fileio.copy(f"{examples}/{COUNTS_FILE}", f"{transformed.uri}/{COUNTS_FILE}", True)


class _Processor(executor.TransformProcessor):
    """TFX's TransformProcessor with a fixed batch size, `CHUNK` images.

    With TFX's own TransformProcessor, Beam tries batch sizes from 1 upwards to find the fastest
    one. Batches of fewer than `CHUNK` images would waste time, because the transform graph pads
    every batch to `CHUNK` images.
    """

    def _GetDesiredBatchSize(self, *_: Any) -> int:  # noqa: N802 (TFX requires this name)
        return CHUNK


def _check_input_range(
    input_dict: dict[str, list[types.Artifact]],
    output_dict: dict[str, list[types.Artifact]],
    settings: TransformSettings,
) -> None:
    (examples,) = input_dict[standard_component_specs.EXAMPLES_KEY]
    split = artifact_utils.get_split_uri([examples], "train")
    warning = warn_of_input_range(
        settings.backbone,
        [f"{split}/{name}" for name in fileio.listdir(split)],
        settings.input_range,
    )
    if warning:
        logging.warning("%s.", warning)
        (graph,) = output_dict[standard_component_specs.TRANSFORM_GRAPH_KEY]
        graph.set_string_custom_property(WARNING, warning)
