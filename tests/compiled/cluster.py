"""Runs a compiled pipeline on this machine, as Vertex AI or Kubeflow Pipelines would run it.

Each step is a process that runs the container command of the compiled job. The process of a step
starts in an empty directory, and has only the environment variables of a container (see
`tests.compiled.containers`). This module parses the job with the protos of the package kfp. A job
that kfp's protos cannot parse, or that Vertex AI or Kubeflow Pipelines would refuse, raises
`JobError`. `tests.compiled.backends` implements what differs between Vertex AI and Kubeflow
Pipelines. Comments name files below backend/src/v2 of Kubeflow Pipelines 2.17.0, and the functions
in these files that this module imitates.

A directory stands for a `gs://` bucket, which the containers access directly, without the launcher.
If the pipeline root is a `minio://` or `s3://` URI, the containers cannot access the object store,
so the stand-in for the launcher copies artifacts to and from the container's disk. Each step has a
disk of its own, and the launcher's copies are removed from the disk after the step.

This module does not imitate machine types, retries, or mounted volumes: every container sees all
directories of this machine. The real launcher also copies input artifacts from `gs://` to `/gcs`;
this module does not, because the pipeline does not read the copies in `/gcs`.
"""

import dataclasses
import hashlib
import json
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from google.protobuf import json_format, struct_pb2
from kfp.pipeline_spec import pipeline_spec_pb2 as pb

from tests.compiled.backends import Backend, JobError, KubeflowPipelines, VertexAi
from tests.compiled.containers import Containers, prepare_disk

__all__ = [
    "Cluster",
    "JobError",
    "StepFailed",
    "check",
    "properties",
    "read_parameters",
]

_KINDS = {
    pb.ParameterType.STRING: "string_value",
    pb.ParameterType.NUMBER_INTEGER: "number_value",
    pb.ParameterType.NUMBER_DOUBLE: "number_value",
    pb.ParameterType.BOOLEAN: "bool_value",
}


class StepFailed(Exception):  # noqa: N818 (it reads better without the suffix Error)
    """A container had a nonzero exit status; the message is the end of the container's log."""


@dataclasses.dataclass
class Step:
    """The result of a task.

    Attributes:
      cached: whether the outputs were taken from an earlier run.
      artifacts: the output artifacts by key.
      parameters: the output parameters by key.
      log: stdout and stderr of the container.
    """

    cached: bool
    artifacts: dict[str, pb.RuntimeArtifact]
    parameters: dict[str, struct_pb2.Value]
    log: str


def properties(steps: Mapping[str, Step], task: str, output: str) -> dict[str, Any]:
    """Returns the metadata of a task's output artifact."""
    return dict(steps[task].artifacts[output].metadata)


class Cluster:
    """Runs a compiled pipeline, and later versions of the pipeline, with one cache for all runs."""

    def __init__(
        self,
        job: Path,
        *,
        containers: Containers,
        folder: Path,
        root: Path | str,
        surroundings: Mapping[str, str] | None = None,
        kubeflow: str = "2.17.0",
    ) -> None:
        """
        Args:
          job: the compiled pipeline: `.json` for Vertex AI, `.yaml` for Kubeflow Pipelines.
          containers: the object that runs the containers.
          folder: the parent of the folders that stand for the disks of the containers.
          root: the pipeline root: a directory, or a URI of `minio://` or `s3://`.
          surroundings: environment variables that the containers get from the cluster, such as
            those for credentials.
          kubeflow: the release of Kubeflow Pipelines.
        """
        self._containers, self._folder = containers, folder
        self._surroundings = surroundings or {}
        self._backend: Backend = (
            VertexAi()
            if job.suffix == ".json"
            else KubeflowPipelines(kubeflow, store=folder / "store")
        )
        self._cache: dict[str, Step] = {}
        self.upload(job, root)

    def path(self, artifact: pb.RuntimeArtifact) -> Path:
        """Returns the file or directory that contains an artifact."""
        return self._backend.path(artifact.uri)

    def upload(self, job: Path, root: Path | str) -> None:
        """Replaces the pipeline with another version; runs of both versions share the cache."""
        content, self._root = self._backend.read(job, str(root))
        self._spec = _spec(content)
        if self._root != str(root):
            raise JobError(f"the job's root is {self._root}; expected {root}")
        self._executors = json_format.ParseDict(
            json_format.MessageToDict(self._spec.deployment_spec), pb.PipelineDeploymentConfig()
        ).executors
        check(self._spec, self._executors)

    def run(self, *, until: str | None = None, **parameters: Any) -> dict[str, Step]:
        """Runs the tasks of the pipeline in order.

        Args:
          until: runs only this task and its upstream tasks; None runs all tasks.
          **parameters: values of runtime parameters; missing parameters have their defaults.

        Returns:
          The `Step` of each task by the name of the task.

        Raises:
          JobError: the backend would refuse the job or a parameter.
          StepFailed: a step failed; later steps do not run.
        """
        values = read_parameters(self._spec, parameters)
        run = uuid.uuid4().hex
        run_root = self._backend.run_root(self._root, self._spec.pipeline_info.name, run)
        steps: dict[str, Step] = {}
        wanted = _needed(self._spec, until) if until else set(self._spec.root.dag.tasks)
        for name, task in in_order(self._spec):
            if name not in wanted:
                continue
            inputs = self._inputs(task, values, steps)
            component = self._spec.components[task.component_ref.name]
            disk = self._folder / f"{run}-{name}"
            outputs = self._backend.outputs(component.output_definitions, run_root, name, disk)
            # imitates Container in driver/container.go, and driver/cache.go: a cached task starts
            # no launcher, and its outputs are the artifacts of the earlier execution
            key = self._cache_key(component, inputs, outputs)
            if task.caching_options.enable_cache and key in self._cache:
                steps[name] = dataclasses.replace(self._cache[key], cached=True)
                continue
            steps[name] = self._execute(name, component, inputs, outputs, disk)
            self._cache[key] = steps[name]
        return steps

    def _inputs(
        self,
        task: pb.PipelineTaskSpec,
        values: Mapping[str, struct_pb2.Value],
        steps: Mapping[str, Step],
    ) -> pb.ExecutorInput.Inputs:
        inputs = pb.ExecutorInput.Inputs()
        for key, artifact in task.inputs.artifacts.items():
            source = artifact.task_output_artifact
            found = steps[source.producer_task].artifacts[source.output_artifact_key]
            inputs.artifacts[key].artifacts.add().CopyFrom(self._backend.send_artifact(found))
        for key, parameter in task.inputs.parameters.items():
            match parameter.WhichOneof("kind"):
                case "runtime_value":
                    value = parameter.runtime_value.constant
                case "component_input_parameter":
                    value = values[parameter.component_input_parameter]
                case _:
                    output = parameter.task_output_parameter
                    value = steps[output.producer_task].parameters[output.output_parameter_key]
            inputs.parameter_values[key].CopyFrom(value)
        return inputs

    def _execute(
        self,
        name: str,
        component: pb.ComponentSpec,
        inputs: pb.ExecutorInput.Inputs,
        outputs: pb.ExecutorInput.Outputs,
        disk: Path,
    ) -> Step:
        container = self._executors[component.executor_label].container
        variables = {variable.name: variable.value for variable in container.env}
        environment = prepare_disk(disk, self._containers.bin) | self._surroundings | variables
        self._backend.prepare(inputs, outputs, disk)
        executor_input = pb.ExecutorInput(inputs=inputs, outputs=outputs)
        command = (*container.command, *container.args, *self._backend.arguments(disk))
        log = disk / "log"
        status = self._containers.run(
            [_resolve_placeholder(part, executor_input) for part in command],
            directory=disk / "empty",
            environment=environment,
            log=log,
        )
        # imitates execute and getExecutorOutputFile in component/launcher_v2.go
        text = log.read_text(errors="replace")
        if status:
            raise StepFailed(f"{name}: exit status {status}\n{text[-4000:]}")
        written = json_format.Parse(Path(outputs.output_file).read_text(), pb.ExecutorOutput())
        artifacts = dict(self._record_outputs(name, outputs, written))
        if str(disk) in str(artifacts):
            raise JobError(f"{name}: an output names a path of the container's disk: {artifacts}")
        self._backend.finish(artifacts, disk)
        return Step(False, artifacts, dict(_output_parameters(name, component, written)), text)

    def _record_outputs(
        self,
        name: str,
        outputs: pb.ExecutorInput.Outputs,
        written: pb.ExecutorOutput,
    ) -> Iterator[tuple[str, pb.RuntimeArtifact]]:
        """Returns the output artifacts, completed with the metadata that a container wrote."""
        unknown = set(written.artifacts) - set(outputs.artifacts)
        if unknown:
            raise JobError(f"{name} wrote outputs that its component does not declare: {unknown}")
        for key, provisioned in outputs.artifacts.items():
            found = next(iter(written.artifacts[key].artifacts), None)
            try:
                yield key, self._backend.record_output(key, provisioned.artifacts[0], found)
            except JobError as error:
                raise JobError(f"{name}: {error}") from error

    def _cache_key(
        self,
        component: pb.ComponentSpec,
        inputs: pb.ExecutorInput.Inputs,
        outputs: pb.ExecutorInput.Outputs,
    ) -> str:
        container = self._executors[component.executor_label].container
        content = self._backend.cache_key(component, container, inputs, outputs)
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _spec(content: Mapping[str, Any]) -> pb.PipelineSpec:
    """Parses a spec strictly: fields that the proto does not have are errors."""
    spec = json_format.ParseDict(content, pb.PipelineSpec())
    if spec.schema_version != "2.1.0":
        raise JobError(f"schema version {spec.schema_version}; expected 2.1.0")
    return spec


def check(spec: pb.PipelineSpec, executors: Mapping[str, Any]) -> None:
    """Refuses an invalid pipeline, as compiler/visitor.go and driver/resolve.go do.

    Raises:
      JobError: a component, task or output is missing, types differ, or there is no container.
    """
    for name, task in spec.root.dag.tasks.items():
        if task.component_ref.name not in spec.components:
            raise JobError(f"{name}: there is no component {task.component_ref.name}")
    for name, task in spec.root.dag.tasks.items():
        component = spec.components[task.component_ref.name]
        executor = executors.get(component.executor_label)
        if executor is None or executor.WhichOneof("spec") != "container":
            raise JobError(f"{name}: its executor is not a container")
        if not executor.container.image or executor.container.HasField("lifecycle"):
            raise JobError(
                f"{name}: no image, or a lifecycle, which Kubeflow Pipelines does not support"
            )
        _check_artifacts(spec, name, task, component)
        _check_parameters(spec, name, task, component)
    if set(spec.components) != {t.component_ref.name for t in spec.root.dag.tasks.values()}:
        raise JobError("there are components that no task refers to")
    list(in_order(spec))


def _check_artifacts(
    spec: pb.PipelineSpec, name: str, task: pb.PipelineTaskSpec, component: pb.ComponentSpec
) -> None:
    if set(task.inputs.artifacts) != set(component.input_definitions.artifacts):
        raise JobError(f"{name}: the input artifacts differ from those of its component")
    for key, source in task.inputs.artifacts.items():
        produced = _producer(spec, name, source.task_output_artifact.producer_task)
        output = produced.artifacts.get(source.task_output_artifact.output_artifact_key)
        wanted = component.input_definitions.artifacts[key].artifact_type
        if output is None or output.artifact_type != wanted:
            raise JobError(f"{name}.{key}: there is no such output of this type")


def _check_parameters(
    spec: pb.PipelineSpec, name: str, task: pb.PipelineTaskSpec, component: pb.ComponentSpec
) -> None:
    definitions = component.input_definitions.parameters
    if set(task.inputs.parameters) != set(definitions):
        raise JobError(f"{name}: the parameters differ from those of its component")
    for key, source in task.inputs.parameters.items():
        wanted = definitions[key].parameter_type
        match source.WhichOneof("kind"):
            case "runtime_value":
                if source.runtime_value.constant.WhichOneof("kind") != _KINDS[wanted]:
                    raise JobError(f"{name}.{key}: the constant has the wrong type")
                continue
            case "component_input_parameter":
                found = spec.root.input_definitions.parameters.get(source.component_input_parameter)
            case "task_output_parameter":
                produced = _producer(spec, name, source.task_output_parameter.producer_task)
                found = produced.parameters.get(source.task_output_parameter.output_parameter_key)
            case kind:
                raise JobError(f"{name}.{key}: a parameter cannot come from {kind}")
        if found is None or found.parameter_type != wanted:
            raise JobError(f"{name}.{key}: there is no such parameter of this type")


def _producer(spec: pb.PipelineSpec, name: str, producer: str) -> pb.ComponentOutputsSpec:
    if producer not in spec.root.dag.tasks:
        raise JobError(f"{name}: there is no task {producer}")
    return spec.components[spec.root.dag.tasks[producer].component_ref.name].output_definitions


def in_order(spec: pb.PipelineSpec) -> Iterator[tuple[str, pb.PipelineTaskSpec]]:
    """Returns each task after its upstream tasks, as compiler/argocompiler/dag.go does."""
    waiting, done = dict(spec.root.dag.tasks.items()), set()
    while waiting:
        ready = sorted(n for n, task in waiting.items() if _upstream(task) <= done)
        if not ready:
            raise JobError(f"these tasks can never begin: {sorted(waiting)}")
        done.update(ready)
        for name in ready:
            yield name, waiting.pop(name)


def _upstream(task: pb.PipelineTaskSpec) -> set[str]:
    artifacts = (a.task_output_artifact.producer_task for a in task.inputs.artifacts.values())
    parameters = (p.task_output_parameter.producer_task for p in task.inputs.parameters.values())
    return {*task.dependent_tasks, *artifacts, *parameters} - {""}


def _needed(spec: pb.PipelineSpec, name: str) -> set[str]:
    upstream = _upstream(spec.root.dag.tasks[name])
    return {name}.union(*(_needed(spec, other) for other in upstream))


def read_parameters(spec: pb.PipelineSpec, given: Mapping[str, Any]) -> dict[str, struct_pb2.Value]:
    """Returns the values of a run's parameters, with defaults for missing ones.

    Sources: ../apiserver/template/v2_template.go, validatePipelineJobInputs;
    compiler/argocompiler/argo.go, Compile (defaults).

    Raises:
      JobError: a parameter is unknown, has no value, or has a value of another type.
    """
    definitions = spec.root.input_definitions.parameters
    unknown = set(given) - set(definitions)
    if unknown:
        raise JobError(f"the pipeline has no parameters {unknown}")
    values = {}
    for name, definition in definitions.items():
        value = struct_pb2.Value()
        if name in given:
            json_format.ParseDict(given[name], value)
        elif definition.HasField("default_value"):
            value.CopyFrom(definition.default_value)
        else:
            raise JobError(f"the parameter {name} has no value")
        if value.WhichOneof("kind") != _KINDS[definition.parameter_type]:
            raise JobError(f"the parameter {name} has a value of another type")
        values[name] = value
    return values


def _resolve_placeholder(part: str, executor_input: pb.ExecutorInput) -> str:
    # Like compileCmdAndArgs in component/launcher_v2.go, this function replaces only `{{$}}`.
    resolved = part.replace("{{$}}", json_format.MessageToJson(executor_input, indent=None))
    if "{{$" in part.replace("{{$}}", ""):
        raise JobError(f"unknown placeholder: {part}")
    return resolved


def _output_parameters(
    name: str, component: pb.ComponentSpec, written: pb.ExecutorOutput
) -> Iterator[tuple[str, struct_pb2.Value]]:
    # imitates collectOutputParameters in component/launcher_v2.go; TFX writes all output parameters
    # to the ExecutorOutput, instead of each parameter to a file
    for key, definition in component.output_definitions.parameters.items():
        value = written.parameter_values.get(key)
        if value is None or value.WhichOneof("kind") != _KINDS[definition.parameter_type]:
            raise JobError(f"{name} did not write its output parameter {key}")
        yield key, value
