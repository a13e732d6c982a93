"""Executor of `ModelPusher`."""

from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Any

import tensorflow as tf
from absl import logging
from tfx import types
from tfx.components.pusher import executor
from tfx.components.util import model_utils
from tfx.proto import pusher_pb2
from tfx.types import artifact_utils, standard_component_specs
from tfx.utils import proto_utils

from common.custom_config import from_custom_config
from common.errors import InputError, one_line
from common.file_records import find_damage, record_files
from common.files import link_or_copy
from common.notice import print_notice
from components.model_evaluator.reasons import ACCURACY, read_reasons
from components.model_pusher.last_push import record_push
from components.model_pusher.other_classes import describe_other_classes
from components.model_pusher.publish import hold_serving_directory, publish
from components.model_pusher.push_records import read_records
from components.model_pusher.retention import remove_old_versions
from components.model_pusher.server_config import largest_batch, write_server_config
from components.model_pusher.serving_directory import describe_served, identity, newest_version
from components.model_pusher.settings import PusherSettings
from components.serving_check.refusal import read_refusal
from components.vertex_endpoint.settings import EndpointSettings

# Custom property of a PushedModel artifact: 1 if Pusher pushed nothing, because the model was
# served already.
WAS_SERVED = "was_served"


class Executor(executor.Executor):
    """Pushes a blessed model to the serving directory, unless that directory already serves it.

    TFX's own executor copies the files directly to the version directory, so a push that is killed
    leaves an incomplete version there. TFX's executor names the version directory after the Unix
    time in seconds, and silently pushes nothing if that directory already exists
    (tfx/components/pusher/executor.py, `Do`).
    """

    def Do(  # noqa: N802 (TFX requires this name)
        self,
        input_dict: dict[str, list[types.Artifact]],
        output_dict: dict[str, list[types.Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Pushes the model. If the model is not pushed, writes the reason to the PushedModel
        artifact.

        Raises:
          InputError: the model cannot be written to the serving directory; or the model is not
            pushed, and the setting `fail_on_unblessed` is true.
        """
        self._log_startup(input_dict, output_dict, exec_properties)
        settings = from_custom_config(
            PusherSettings, exec_properties[standard_component_specs.CUSTOM_CONFIG_KEY]
        )
        pushed = artifact_utils.get_single_instance(
            output_dict[standard_component_specs.PUSHED_MODEL_KEY]
        )
        blessing = artifact_utils.get_single_instance(
            input_dict[standard_component_specs.MODEL_BLESSING_KEY]
        )
        if self.CheckBlessing(input_dict):
            destination = pusher_pb2.PushDestination()
            proto_utils.json_to_proto(
                exec_properties[standard_component_specs.PUSH_DESTINATION_KEY], destination
            )
            base_directory = destination.filesystem.base_directory
            accuracy = blessing.get_string_custom_property(ACCURACY)
            reason = self._push(
                self.GetModelPath(input_dict),
                pushed,
                base_directory,
                settings,
                float(accuracy) if accuracy else None,
            )
            if not reason and settings.endpoint:
                reason = _deploy(settings.endpoint, base_directory, pushed)
        else:
            reason = f"not pushed, the model is {'; '.join(_find_refusals(input_dict))}"
        if reason:
            if settings.fail_on_unblessed:
                raise InputError(reason)
            self._MarkNotPushed(pushed)
            pushed.set_string_custom_property("reason", reason)
            logging.warning("%s.", reason)

    def _push(
        self,
        model: str,
        pushed: types.Artifact,
        base_directory: str,
        settings: PusherSettings,
        accuracy: float | None,
    ) -> str:
        """Makes `model` the served version, unless a rollback has withdrawn this model.

        Returns the reason why the model was not pushed; empty if the model is now served.
        """
        try:
            with hold_serving_directory(base_directory):
                name = identity(model)
                served = newest_version(base_directory)
                was_served = (
                    served is not None
                    and identity(served) == name
                    and not find_damage(served, record_files(model))
                )
                if not was_served:
                    if reason := _find_withdrawal(base_directory, name):
                        return reason
                    if served and (found := describe_other_classes(model, served)):
                        print_notice(found)
                    write_server_config(
                        base_directory, name=settings.model_name, max_batch=settings.max_batch
                    )
                    served = publish(
                        model,
                        base_directory,
                        max_batch=largest_batch(base_directory, settings.max_batch),
                        run=self._run_id(pushed),
                        accuracy=accuracy,
                    )
                _try_to_remove_old_versions(base_directory, settings.keep_versions, name)
        except (OSError, tf.errors.OpError) as error:
            raise InputError(
                f"{base_directory}: the model could not be written there ({one_line(error)}); "
                f"{describe_served(base_directory)}; make the directory writable, with room for "
                "one more model, and give the same command again"
            ) from error
        try:
            if not was_served:
                record_push(settings, base_directory)
            link_or_copy(model, pushed.uri)
        except (OSError, tf.errors.OpError) as error:
            raise InputError(
                f"{served} is served, but its record could not be written below the pipeline root "
                f"({one_line(error)}); make room there, and give the same command again"
            ) from error
        self._MarkPushed(
            pushed, pushed_destination=served, pushed_version=PurePosixPath(str(served)).name
        )
        if was_served:
            logging.info("%s is this model already, so nothing is pushed.", served)
            pushed.set_int_custom_property(WAS_SERVED, 1)
        return ""

    def _run_id(self, pushed: types.Artifact) -> str:
        """Returns the id of this run.

        On Vertex AI, TFX does not pass the run id to the executor, so the function reads the run id
        from the URI of the output artifact. The URI has the form
        `<root>/<project>/<run>/<task>/<output>`.
        """
        known = self._context.pipeline_run_id if self._context else None
        parts = PurePosixPath(pushed.uri).parts
        return known or (parts[-3] if len(parts) > 4 else "")


def _deploy(settings: EndpointSettings, base_directory: str, pushed: types.Artifact) -> str:
    """Deploys the served version to the endpoint.

    Returns the reason why the version was not deployed; empty if it was deployed.
    """
    from components.vertex_endpoint.deploy import deploy

    served = pushed.get_string_custom_property("pushed_destination")
    record = read_records(base_directory).get(int(PurePosixPath(served).name))
    if record is None:
        return f"not deployed, {served} is this model, but this project did not push it"
    done = deploy(settings, served, record, even_withdrawn=False)
    pushed.set_string_custom_property("endpoint", done.endpoint)
    logging.info("%s: version %s gets %d %%.", done.endpoint, done.version, done.traffic)
    return done.reason


def _try_to_remove_old_versions(base_directory: str, keep: int, champion: str) -> None:
    """Removes old versions. If a version cannot be removed, prints a notice and raises no error,
    because the push itself has succeeded.
    """
    try:
        removed = remove_old_versions(base_directory, keep=keep, champion=champion)
    except (OSError, tf.errors.OpError) as error:
        print_notice(
            f"{base_directory}: old versions could not be removed ({one_line(error)}); the new "
            "version is served; make room there yourself, or the next push tries again"
        )
        return
    if removed:
        logging.info("Removed old versions from %s: %s.", base_directory, removed)


def _find_refusals(input_dict: dict[str, list[types.Artifact]]) -> Iterator[str]:
    """Yields the reasons why the gate or ServingCheck refused the model."""
    blessing = artifact_utils.get_single_instance(
        input_dict[standard_component_specs.MODEL_BLESSING_KEY]
    )
    if not model_utils.is_model_blessed(blessing):
        yield f"not blessed by the gate: {read_reasons(blessing)}"
    infra_blessing = artifact_utils.get_single_instance(
        input_dict[standard_component_specs.INFRA_BLESSING_KEY]
    )
    if refusal := read_refusal(infra_blessing):
        yield f"refused by ServingCheck: {refusal}"


def _find_withdrawal(base_directory: str, name: str) -> str:
    """Returns the reason not to push the model `name`, if a rollback has withdrawn this model.

    Returns an empty string if no rollback has withdrawn the model.

    Args:
      base_directory: the serving directory.
      name: the `identity` of the model.
    """
    for record in read_records(base_directory).values():
        if record.withdrawn_at and record.identity == name:
            return (
                f"not pushed, version {record.version} is this model and was withdrawn by a "
                f"rollback at {record.withdrawn_at}; train another model, or serve it again by "
                f"--rollback {record.version}"
            )
    return ""
