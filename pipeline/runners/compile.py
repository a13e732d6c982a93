"""Compiles the pipeline for Kubeflow Pipelines and Vertex AI, as a PipelineJob of schema 2.1.

Kubeflow Pipelines and Vertex AI run the same pipeline, in which each node is a container. The
pipeline contains no Resolver or Importer of TFX, because Kubeflow Pipelines cannot run these nodes.
"""

import json
from pathlib import Path
from typing import Any

import yaml
from google.protobuf import json_format
from kfp.pipeline_spec import pipeline_spec_pb2
from tfx.orchestration.data_types import RuntimeParameter
from tfx.orchestration.kubeflow.v2.kubeflow_v2_dag_runner import (
    KubeflowV2DagRunner,
    KubeflowV2DagRunnerConfig,
)

from common.files import write_whole
from components.report.artifact import HtmlReport
from pipeline.beam.engine import beam_arguments
from pipeline.options.config import Config
from pipeline.options.storage import Volume
from pipeline.pipeline import create_pipeline
from pipeline.run_parameters import runtime_parameters
from pipeline.runners.container import COMMAND, DECLARED_OUTPUTS, HTML
from pipeline.runners.resources import platform_spec, set_machines

DEFAULT_IMAGE = "vit-pipeline:latest"  # name of the image that `make image` builds

_NEVER_CACHED = ("ResolveInputs",)  # ResolveInputs must look for new data and models in each run


def compile_job(config: Config) -> pipeline_spec_pb2.PipelineJob:
    """Compiles the pipeline that `config` describes, without reading data or weights."""
    image = config.cloud.image or DEFAULT_IMAGE
    runner = KubeflowV2DagRunner(
        KubeflowV2DagRunnerConfig(
            default_image=image, default_commands=list(COMMAND), use_pipeline_spec_2_1=True
        )
    )
    pipeline = create_pipeline(config, None, beam_arguments(config.run.beam_args))
    compiled = runner.run(pipeline, write_out=False)
    job = json_format.ParseDict(compiled, pipeline_spec_pb2.PipelineJob())
    spec = read_pipeline_spec(job)
    _name_producers(spec)
    _declare_outputs(spec)
    _declare_pages(spec)
    _keep_downloaded_models(spec, config.cloud.state_dir)
    _describe_parameters(spec, runtime_parameters(config))
    set_machines(spec, config.machines, on_kubernetes=config.run.runner == "kubeflow")
    for name in _NEVER_CACHED:
        spec.root.dag.tasks[name].caching_options.enable_cache = False
    job.pipeline_spec.Clear()
    job.pipeline_spec.update(json_format.MessageToDict(spec))
    return job


def read_pipeline_spec(job: pipeline_spec_pb2.PipelineJob) -> pipeline_spec_pb2.PipelineSpec:
    """Returns the PipelineSpec of `job`."""
    return json_format.ParseDict(
        json_format.MessageToDict(job.pipeline_spec), pipeline_spec_pb2.PipelineSpec()
    )


def write_job(job: pipeline_spec_pb2.PipelineJob, path: Path, config: Config) -> None:
    """Writes `job`, which was compiled from `config`, to the file `path`.

    A `.json` file, for Vertex AI, contains the whole job. A `.yaml` file, for Kubeflow Pipelines,
    contains the pipeline spec and, if needed, a second document with Kubernetes settings, such as
    volumes and spot machines.
    """
    content = json_format.MessageToDict(job)
    if path.suffix == ".json":
        text = json.dumps(content, indent=1, sort_keys=True)
    else:
        spec = content["pipelineSpec"]
        volumes = [Volume.parse(text) for text in config.cloud.volumes]
        tasks = spec["root"]["dag"]["tasks"]
        documents = [spec, platform_spec(config.machines, volumes, tasks)]
        text = yaml.safe_dump_all(filter(None, documents), sort_keys=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, text.rstrip("\n") + "\n")


def _name_producers(spec: pipeline_spec_pb2.PipelineSpec) -> None:
    """Removes the suffix `_task`, which TFX adds by mistake, from the names in `producer_task`."""
    tasks = spec.root.dag.tasks
    for task in tasks.values():
        for parameter in task.inputs.parameters.values():
            source = parameter.task_output_parameter
            if source.producer_task and source.producer_task not in tasks:
                source.producer_task = source.producer_task.removesuffix("_task")


def _declare_outputs(spec: pipeline_spec_pb2.PipelineSpec) -> None:
    """Passes to each container the names of its declared outputs.

    Kubeflow Pipelines adds the output `executor-logs`, which no component declares and TFX cannot
    read. `pipeline.runners.container` removes every output that is not declared.
    """
    for component in spec.components.values():
        executor = spec.deployment_spec["executors"][component.executor_label]
        names = ",".join(sorted(component.output_definitions.artifacts))
        executor["container"]["args"].append(f"{DECLARED_OUTPUTS}={names}")


def _declare_pages(spec: pipeline_spec_pb2.PipelineSpec) -> None:
    """Sets the type of HTML outputs to `system.HTML`, so that Kubeflow Pipelines displays them."""
    ours = f"title: {HtmlReport.TYPE_NAME}\n"
    for component in spec.components.values():
        for artifact in component.output_definitions.artifacts.values():
            if ours in artifact.artifact_type.instance_schema:
                artifact.artifact_type.Clear()
                artifact.artifact_type.schema_title = HTML
                artifact.artifact_type.schema_version = "0.0.1"


def _keep_downloaded_models(spec: pipeline_spec_pb2.PipelineSpec, state_dir: str | None) -> None:
    """Stores downloaded weights in a volume, so that they are downloaded only once.

    Without a volume, each step that needs weights downloads them to its own disk.
    """
    if not state_dir or "://" in state_dir:
        return
    for executor in spec.deployment_spec["executors"].values():
        executor["container"]["env"] = [{"name": "VIT_HOME", "value": f"{state_dir}/weights"}]


def _describe_parameters(
    spec: pipeline_spec_pb2.PipelineSpec, parameters: dict[str, RuntimeParameter]
) -> None:
    """Adds the default and the description of each parameter; TFX omits both."""
    for name, definition in spec.root.input_definitions.parameters.items():
        definition.description = parameters[name].description
        default = parameters[name].default
        if default is not None:
            definition.is_optional = True
            _set_value(definition.default_value, default)


def _set_value(target: Any, value: int | float | str) -> None:
    if isinstance(value, str):
        target.string_value = value
    else:
        target.number_value = value
