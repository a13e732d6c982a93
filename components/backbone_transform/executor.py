"""Executor of `BackboneTransform`."""

import json
from typing import Any

from absl import logging
from tfx import types
from tfx.components.transform import executor
from tfx.dsl.io import fileio
from tfx.types import artifact_utils, standard_component_specs

from backbones.contract import one_backbone
from components.backbone_transform.input_range import warn_of_input_range

BACKBONE_KEY = "backbone"
WARNING = "warning"  # custom property of a TransformGraph


class Executor(executor.Executor):
    """TFX's, with the backbone's directory put into the `custom_config`."""

    def Do(  # noqa: N802 (TFX's name)
        self,
        input_dict: dict[str, list[types.Artifact]],
        output_dict: dict[str, list[types.Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """As TFX's; `custom_config` gets the key `backbone`.

        Where `check_input_range` of it asks for it, and another range of pixel values suits the
        backbone better, the transform graph's custom property `warning` says so.
        """
        inputs = dict(input_dict)
        directory = artifact_utils.get_single_uri(inputs.pop(BACKBONE_KEY))
        key = standard_component_specs.CUSTOM_CONFIG_KEY
        custom_config = json.loads(exec_properties[key]) | {"backbone": directory}
        with one_backbone():
            if custom_config["check_input_range"]:
                _check_input_range(input_dict, output_dict, custom_config)
            super().Do(inputs, output_dict, exec_properties | {key: json.dumps(custom_config)})


def _check_input_range(
    input_dict: dict[str, list[types.Artifact]],
    output_dict: dict[str, list[types.Artifact]],
    custom_config: dict[str, Any],
) -> None:
    (examples,) = input_dict[standard_component_specs.EXAMPLES_KEY]
    split = artifact_utils.get_split_uri([examples], "train")
    warning = warn_of_input_range(
        custom_config["backbone"],
        [f"{split}/{name}" for name in fileio.listdir(split)],
        custom_config["input_range"],
    )
    if warning:
        logging.warning("%s.", warning)
        (graph,) = output_dict[standard_component_specs.TRANSFORM_GRAPH_KEY]
        graph.set_string_custom_property(WARNING, warning)
