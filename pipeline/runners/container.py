"""The entry point of each container: adapts its arguments, and calls TFX's entry point.

TFX's entry point (tfx.orchestration.kubeflow.v2.container.kubeflow_v2_run_executor) was written for
Vertex AI. Kubeflow Pipelines' open-source driver sends an ExecutorInput that TFX's entry point
cannot read (tensorflow/tfx#7768). This module adds the types of input artifacts to the
ExecutorInput, and removes the output `executor-logs` from it. The files named below are in the
repository kubeflow/pipelines, below backend/src/v2, at release 2.17.0:

- The type of each input artifact is empty: `"type": {"instanceSchema": ""}`. TFX reads the
  artifact's class from `instanceSchema`, but the driver leaves `instanceSchema` empty when it reads
  the outputs of the previous step from ML Metadata (metadata/client.go,
  GetOutputArtifactsByExecutionId). All releases of Kubeflow Pipelines since 2.0.0 send input
  artifacts with empty types.
- The driver adds an output artifact `executor-logs` of the type `system.Artifact`, which no
  component declares (driver/driver.go, provisionOutputs). TFX's entry point fails if there is an
  `executor-logs`, because TFX has no artifact class for the type `system.Artifact`. In all releases
  of Kubeflow Pipelines since 2.5.0, the driver adds the output `executor-logs` if the setting
  `PUBLISH_LOGS` is `true`, which is the default.

Vertex AI sends an ExecutorInput that TFX can read. On Vertex AI, containers use this module as
their entry point too, because Vertex AI and Kubeflow Pipelines run the same compiled pipeline.

TFX has no artifact class for the type `system.HTML`, so this module replaces the type with the
import path of a class. The module also replaces the URI of an HTML output's directory with the URI
of the HTML file, because the UI of Kubeflow Pipelines shows the file at the output's URI. For each
node, the module records the run time and the peak memory.

TFX cannot read Kubeflow Pipelines' own object store, so TFX reads copies of the artifacts on the
container's disk: see `pipeline.runners.launcher_paths`.

    python -m pipeline.runners.container --executor_class_path=CLASS \
        --json_serialized_invocation_args=EXECUTOR_INPUT \
        --json_serialized_inputs_spec_args=COMPONENT_INPUTS_SPEC \
        --declared_outputs=NAME,NAME [--launcher_root=/] [BEAM FLAGS]
"""

import argparse
import functools
import sys
from collections.abc import Collection, Sequence

from absl import app
from absl.flags import argparse_flags
from google.protobuf import json_format
from kfp.pipeline_spec import pipeline_spec_pb2
from tfx.dsl.io import fileio
from tfx.orchestration.kubeflow.v2.container import kubeflow_v2_run_executor
from tfx.utils import import_utils

from common.errors import InputError, UnreachableError
from common.text import make_printable
from components.node_usage import record_usage
from components.report.artifact import HtmlReport
from components.report.artifact_files import page_of
from pipeline.runners.launcher_paths import LauncherPaths

COMMAND = ("python", "-m", "pipeline.runners.container")
DECLARED_OUTPUTS = "--declared_outputs"
HTML = "system.HTML"  # type of the artifacts that Kubeflow Pipelines' UI shows as a page
# Flag for the directory below which Kubeflow Pipelines' launcher stores its copies of artifacts:
# `/` in a pod, and another directory in tests.
LAUNCHER_ROOT = "--launcher_root"


def complete_executor_input(
    executor_input: pipeline_spec_pb2.ExecutorInput,
    inputs_spec: pipeline_spec_pb2.ComponentInputsSpec,
    declared_outputs: Collection[str],
) -> None:
    """Sets artifact types that TFX can read, and removes outputs that are not declared.

    If an input artifact has no type, the function uses the type that the component declares for the
    input.

    Args:
      executor_input: the arguments of the container; changed in place.
      inputs_spec: the inputs that the component declares, with their types.
      declared_outputs: the names of the output artifacts that the component declares.
    """
    for name, artifacts in executor_input.inputs.artifacts.items():
        for artifact in artifacts.artifacts:
            kind = artifact.type.WhichOneof("kind")
            if (kind is None or not getattr(artifact.type, kind)) and name in inputs_spec.artifacts:
                artifact.type.CopyFrom(inputs_spec.artifacts[name].artifact_type)
    outputs = executor_input.outputs.artifacts
    for name in set(outputs) - set(declared_outputs):
        del outputs[name]
    for artifact in (artifact for found in outputs.values() for artifact in found.artifacts):
        if artifact.type.schema_title == HTML:
            # TFX has no class for the type `system.HTML`. If a type's title is not the name of a
            # TFX class, TFX uses the title as the import path of a class.
            title = f"{HtmlReport.__module__}.{HtmlReport.__name__}"
            artifact.type.instance_schema = f"title: {title}\ntype: object\n"
            artifact.uri = page_of(artifact.uri)


def _parse_flags(argv: Sequence[str]) -> tuple[argparse.Namespace, list[str]]:
    """Parses three flags of TFX and two of this project, and returns all other flags for Beam."""
    parser = argparse_flags.ArgumentParser(allow_abbrev=False)
    parser.add_argument("--executor_class_path", required=True)
    parser.add_argument("--json_serialized_invocation_args", required=True)
    parser.add_argument("--json_serialized_inputs_spec_args", required=True)
    parser.add_argument(DECLARED_OUTPUTS, required=True)
    parser.add_argument(LAUNCHER_ROOT, default="/")
    return parser.parse_known_args(argv[1:])


def main(flags: tuple[argparse.Namespace, list[str]]) -> None:
    """Runs the executor whose class is named in `flags`.

    Raises:
      SystemExit: the executor refuses its inputs; the message is one line.
    """
    arguments, beam_flags = flags
    # Like TFX, this code ignores unknown fields, because Vertex AI and Kubeflow Pipelines send
    # fields that are newer than the protos.
    executor_input = json_format.Parse(
        arguments.json_serialized_invocation_args,
        pipeline_spec_pb2.ExecutorInput(),
        ignore_unknown_fields=True,
    )
    inputs_spec = json_format.Parse(
        arguments.json_serialized_inputs_spec_args,
        pipeline_spec_pb2.ComponentInputsSpec(),
        ignore_unknown_fields=True,
    )
    declared = [name for name in arguments.declared_outputs.split(",") if name]
    complete_executor_input(executor_input, inputs_spec, declared)
    executor = import_utils.import_class_by_path(arguments.executor_class_path)
    original = executor.Do
    executor.Do = lambda self, *given: record_usage(functools.partial(original, self))(*given)
    paths = LauncherPaths(executor_input, arguments.launcher_root)
    paths.map_inputs(executor_input)
    arguments.json_serialized_invocation_args = json_format.MessageToJson(executor_input)
    try:
        kubeflow_v2_run_executor.main((arguments, beam_flags))
    except (InputError, UnreachableError) as error:
        sys.exit(make_printable(f"{arguments.executor_class_path}: {error}"))
    if paths.is_needed:
        _map_output_file(executor_input.outputs.output_file, paths)


def _map_output_file(file: str, paths: LauncherPaths) -> None:
    """Converts paths back to URIs in the ExecutorOutput that TFX wrote to `file`."""
    with fileio.open(file, "r") as stream:
        executor_output = json_format.Parse(stream.read(), pipeline_spec_pb2.ExecutorOutput())
    paths.map_outputs(executor_output)
    with fileio.open(file, "w") as stream:
        stream.write(json_format.MessageToJson(executor_output))


if __name__ == "__main__":
    app.run(main, flags_parser=_parse_flags)
