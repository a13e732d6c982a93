"""Executor of `ModelPusher`."""

from pathlib import PurePosixPath
from typing import Any

from absl import logging
from tfx import types
from tfx.components.pusher import executor
from tfx.proto import pusher_pb2
from tfx.types import artifact_utils, standard_component_specs
from tfx.utils import io_utils, proto_utils

from common import termination
from common.custom_config import from_custom_config
from common.errors import InputError
from common.file_records import find_damage, record_files
from components.model_evaluator.reasons import read_reasons
from components.model_pusher.last_push import record_push
from components.model_pusher.serving_directory import identity, newest_version
from components.model_pusher.settings import PusherSettings
from components.model_pusher.verdict import OUTPUT, Verdict

WAS_SERVED = "was_served"  # custom property of a PushedModel: 1 if the model was served already


class Executor(executor.Executor):
    """Pushes a blessed model to a filesystem unless it is the version served there now."""

    def Do(  # noqa: N802 (TFX's name)
        self,
        input_dict: dict[str, list[types.Artifact]],
        output_dict: dict[str, list[types.Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """As TFX's; the artifact of a model that is served already names that version.

        Writes the verdict as well.

        Raises:
          InputError: the model is not blessed, and its settings have `fail_on_unblessed`.
        """
        reason = ""
        if self.CheckBlessing(input_dict):
            self._push(input_dict, output_dict, exec_properties)
        else:
            reason = self._not_blessed(input_dict, output_dict, exec_properties)
        verdict = artifact_utils.get_single_instance(output_dict[OUTPUT])
        verdict.value = Verdict(pushed=not reason, reason=reason).to_json()

    def _push(
        self,
        input_dict: dict[str, list[types.Artifact]],
        output_dict: dict[str, list[types.Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        destination = pusher_pb2.PushDestination()
        proto_utils.json_to_proto(
            exec_properties[standard_component_specs.PUSH_DESTINATION_KEY], destination
        )
        directory = destination.filesystem.base_directory
        served = newest_version(directory)
        model = self.GetModelPath(input_dict)
        if not (served and _is_same(model, served)):
            termination.stop_here()
            super().Do(input_dict, output_dict, exec_properties)
            record_push(
                from_custom_config(
                    PusherSettings, exec_properties[standard_component_specs.CUSTOM_CONFIG_KEY]
                ),
                directory,
            )
            return
        logging.info("%s is this model already: nothing to push.", served)
        pushed = artifact_utils.get_single_instance(
            output_dict[standard_component_specs.PUSHED_MODEL_KEY]
        )
        io_utils.copy_dir(model, pushed.uri)
        self._MarkPushed(
            pushed, pushed_destination=served, pushed_version=PurePosixPath(served).name
        )
        pushed.set_int_custom_property(WAS_SERVED, 1)

    def _not_blessed(
        self,
        input_dict: dict[str, list[types.Artifact]],
        output_dict: dict[str, list[types.Artifact]],
        exec_properties: dict[str, Any],
    ) -> str:
        """Marks the model as not pushed; returns why."""
        blessing = artifact_utils.get_single_instance(
            input_dict[standard_component_specs.MODEL_BLESSING_KEY]
        )
        why = f"not pushed, the model is not blessed: {read_reasons(blessing)}"
        settings = from_custom_config(
            PusherSettings, exec_properties[standard_component_specs.CUSTOM_CONFIG_KEY]
        )
        if settings.fail_on_unblessed:
            raise InputError(why)
        pushed = artifact_utils.get_single_instance(
            output_dict[standard_component_specs.PUSHED_MODEL_KEY]
        )
        self._MarkNotPushed(pushed)
        pushed.set_string_custom_property("reason", why)
        logging.warning("%s.", why)
        return why


def _is_same(model: str, served: str) -> bool:
    """Whether the directory `served` holds the SavedModel `model`, undamaged."""
    return identity(model) == identity(served) and not find_damage(served, record_files(model))
