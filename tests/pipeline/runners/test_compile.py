"""Tests of pipelines that are compiled for a cluster; tests/compiled runs such pipelines."""

import dataclasses
import json
import socket

import pytest
import yaml
from google.protobuf import json_format
from kfp.pipeline_spec import pipeline_spec_pb2

from common.errors import InputError
from pipeline.options.build import build_config, read_config
from pipeline.options.machines import GPUS, Machines
from pipeline.options.settings import Setting
from pipeline.run_parameters import parameter_values, with_parameters
from pipeline.runners.compile import compile_job, read_pipeline_spec, write_job
from tests.captured_run import run_captured
from tests.compiled.cluster import check


def config_of(**settings):
    settings = {
        "model": "vit_b16_fe",
        "run.runner": "vertex",
        "pipeline_root": "gs://bucket/root",
        "cloud.image": "europe-docker.pkg.dev/p/r/vit:1",
    } | {key.replace("__", "."): value for key, value in settings.items()}
    given = {key: value for key, value in settings.items() if value is not None}
    return build_config({key: Setting(value, key) for key, value in given.items()})


def compiled(**settings):
    """Compiles a configuration; returns the PipelineJob and its PipelineSpec."""
    job = compile_job(config_of(**settings))
    return job, read_pipeline_spec(job)


@pytest.fixture(scope="module")
def flowers():
    return compiled()


def containers(spec):
    config = json_format.ParseDict(
        json_format.MessageToDict(spec.deployment_spec),
        pipeline_spec_pb2.PipelineDeploymentConfig(),
    )
    return config.executors


def test_a_compiled_pipeline_is_valid(flowers):
    _, spec = flowers
    assert spec.pipeline_info.name == "tf-flowers-vit-b16-fe-full"
    check(spec, containers(spec))


def test_the_ui_of_kubeflow_pipelines_shows_the_report(flowers):
    _, spec = flowers
    (label,) = [
        task.component_ref.name for name, task in spec.root.dag.tasks.items() if name == "Report"
    ]
    kind = spec.components[label].output_definitions.artifacts["report"].artifact_type
    assert (kind.schema_title, kind.schema_version) == ("system.HTML", "0.0.1")
    assert not kind.instance_schema


def test_every_node_is_a_container_of_the_image_that_runs_a_module(flowers):
    _, spec = flowers
    for executor in containers(spec).values():
        assert executor.container.image == "europe-docker.pkg.dev/p/r/vit:1"
        assert list(executor.container.command[:2]) == ["python", "-m"]


@pytest.mark.parametrize("model", ["vit_b16_fe", "gs://bucket/models/mine", "/models/mine"])
@pytest.mark.parametrize("dataset", ["tf_flowers", "gs://bucket/flowers", "/data/flowers"])
def test_a_compiled_pipeline_does_not_depend_on_this_machine(model, dataset, monkeypatch, tmp_path):
    """Compiling needs neither weights nor data, and the job contains no path of this machine."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("VIT_HOME", str(tmp_path / "home"))
    job, spec = compiled(model=model, dataset=dataset, name="test")
    check(spec, containers(spec))
    assert str(tmp_path) not in json_format.MessageToJson(job)
    assert not (tmp_path / "home").exists()


def test_flags_for_beam_reach_every_node_that_runs_on_it():
    flags = ["--runner=DataflowRunner", "--project=p", "--sdk_container_image=vit:worker"]
    _, spec = compiled(run__beam_args=flags)
    reached = {n for n, e in containers(spec).items() if set(flags) <= set(e.container.args)}
    nodes = ("ImageExampleGen", "StatisticsGen", "Transform", "Evaluator")
    assert reached >= {f"{node}_executor" for node in nodes}


def test_parameters_have_types_and_defaults(flowers):
    _, spec = flowers
    found = {
        name: (
            pipeline_spec_pb2.ParameterType.ParameterTypeEnum.Name(parameter.parameter_type),
            json_format.MessageToDict(parameter.default_value),
        )
        for name, parameter in spec.root.input_definitions.parameters.items()
    }
    assert found == {
        "pipeline_root": ("STRING", "gs://bucket/root"),
        "epochs": ("NUMBER_INTEGER", 8),
        "steps": ("NUMBER_INTEGER", 0),
        "batch_size": ("NUMBER_INTEGER", 64),
        "learning_rate": ("NUMBER_DOUBLE", 0.03),
        "min_accuracy": ("NUMBER_DOUBLE", 0.94),
        "serving_dir": ("STRING", ""),  # empty means a folder below the pipeline root
        "data_path": ("STRING", ""),
    }
    assert all(p.description for p in spec.root.input_definitions.parameters.values())


def test_data_path_is_a_parameter_unless_the_data_are_in_the_image():
    _, spec = compiled(dataset="gs://bucket/flowers", name="test")
    path = spec.root.input_definitions.parameters["data_path"].default_value.string_value
    assert path == "gs://bucket/flowers"
    assert "data_path" not in compiled(dataset="digits")[1].root.input_definitions.parameters


@pytest.mark.parametrize(
    ("runner", "file"), [("kubeflow", "pipeline.yaml"), ("vertex", "job.json")]
)
def test_model_runner_and_output_are_enough(runner, file, monkeypatch, tmp_path):
    """Compiling needs only `--model`, `--runner` and `--output`, and no network."""

    def refuse(*arguments):
        raise AssertionError(f"connects to {arguments}")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.chdir(tmp_path)
    arguments = ["--model", "vit_b16_fe", "--runner", runner, "--output", file]
    status, out, err = run_captured(*arguments)
    assert (status, err) == (0, "")
    assert out.splitlines()[-2].startswith("The image is vit-pipeline:latest; --image names")
    assert out.splitlines()[-1] == f"compiled: {file}"
    assert (tmp_path / file).is_file()


def test_without_a_pipeline_root_each_run_needs_one():
    job, spec = compiled(pipeline_root=None)
    root = spec.root.input_definitions.parameters["pipeline_root"]
    assert not root.HasField("default_value")
    assert not root.is_optional
    assert not job.runtime_config.gcs_output_directory


def test_a_run_gets_the_configuration_that_was_compiled_with_its_own_values():
    config = config_of(train__epochs="5", serving_dir="gs://bucket/elsewhere")
    assert with_parameters(read_config(config.to_json()), parameter_values(config)) == config
    given = parameter_values(config) | {"steps": 7, "epochs": 3, "data_path": "gs://bucket/tfds"}
    changed = with_parameters(config, given)
    assert changed.train.steps == 7
    assert changed.source["data_dir"] == "gs://bucket/tfds"


def test_models_are_pushed_below_the_root_that_a_run_gives():
    config = config_of()
    given = parameter_values(config) | {"pipeline_root": "gs://bucket/other"}
    assert with_parameters(config, given).serving_dir == "gs://bucket/other/serving"


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"pipeline_root": ""}, "parameter pipeline_root: is empty"),
        ({"min_accuracy": 2.0}, "parameter min_accuracy 2.0: expected a number from 0 to 1"),
        ({"epochs": 0}, "parameter epochs 0: expected a whole number of at least 1"),
    ],
)
def test_bad_values_of_parameters(given, message):
    config = config_of()
    with pytest.raises(InputError, match=message):
        with_parameters(config, parameter_values(config) | given)


def test_only_the_first_node_is_never_cached(flowers):
    _, spec = flowers
    cached = {name for name, t in spec.root.dag.tasks.items() if t.caching_options.enable_cache}
    assert set(spec.root.dag.tasks) - cached == {"ResolveInputs"}
    reads = spec.root.dag.tasks["ImageExampleGen"].inputs.parameters["source_fingerprint"]
    assert reads.task_output_parameter.producer_task == "ResolveInputs"


MACHINES = {
    "machines__trainer__cpu": "8",
    "machines__trainer__memory_gb": "30",
    "machines__trainer__accelerator": "NVIDIA_TESLA_T4:2",
    "machines__trainer__retries": "3",
    "machines__image_example_gen__cpu": "4",
}


def test_machines_on_vertex():
    _, spec = compiled(**MACHINES)
    resources = containers(spec)["Trainer_executor"].container.resources
    assert (resources.cpu_limit, resources.memory_limit) == (8, 30)
    assert (resources.accelerator.type, resources.accelerator.count) == ("NVIDIA_TESLA_T4", 2)
    assert containers(spec)["ImageExampleGen_executor"].container.resources.cpu_limit == 4
    assert spec.root.dag.tasks["Trainer"].retry_policy.max_retry_count == 3
    assert not spec.root.dag.tasks["Transform"].HasField("retry_policy")


@pytest.mark.parametrize(
    ("runner", "timeout", "seconds"),
    [
        ("vertex", None, 3600),
        ("kubeflow", None, 4 * 7 * 24 * 3600),
        ("kubeflow", "90", 4 * (90 * 60 + 3600)),
    ],
)
def test_retries_end_with_the_timeout_of_the_node(runner, timeout, seconds):
    """On Kubernetes, `backoff_max_duration` is the longest time from the first attempt to the start
    of the last retry."""
    machine = {"machines__trainer__retries": "3", "machines__trainer__timeout_minutes": timeout}
    policy = compiled(run__runner=runner, **machine)[1].root.dag.tasks["Trainer"].retry_policy
    assert policy.max_retry_count == 3
    assert policy.backoff_max_duration.seconds == seconds
    waits = [policy.backoff_duration.seconds * policy.backoff_factor**n for n in range(3)]
    assert sum(waits) < seconds


# The pipeline for tf_flowers contains the node PackagedSchema. The pipeline for the bucket contains
# SchemaGen instead.
@pytest.mark.parametrize("dataset", ["tf_flowers", "gs://bucket/flowers"])
def test_every_node_may_have_a_machine_of_its_own(dataset):
    keys = [f"machines__{field.name}" for field in dataclasses.fields(Machines)]
    cores = {f"{key}__cpu": str(index + 1) for index, key in enumerate(keys)}
    retries = {f"{key}__retries": "2" for key in keys}
    _, spec = compiled(dataset=dataset, name="test", tuner="2", **cores, **retries)
    tasks, executors = spec.root.dag.tasks, containers(spec)
    assert {"ResolveInputs", "Backbone", "Tuner"} < set(tasks)
    assert set(executors) == {f"{name}_executor" for name in tasks}
    assert all(task.retry_policy.max_retry_count == 2 for task in tasks.values())
    limits = {e.container.resources.cpu_limit for e in executors.values()}
    assert len(limits - {0}) == len(tasks)


def test_machines_of_missing_nodes_are_ignored(flowers):
    _, spec = compiled(machines__tuner__accelerator="NVIDIA_L4:1", machines__tuner__retries="2")
    assert set(spec.root.dag.tasks) == set(flowers[1].root.dag.tasks)
    assert set(containers(spec)) == set(containers(flowers[1]))


CUSTOM_JOB = {
    "cloud__project": "p",
    "cloud__region": "europe-west4",
    "machines__trainer__machine_type": "n1-standard-8",
    "machines__trainer__accelerator": "NVIDIA_TESLA_T4:2",
    "machines__trainer__retries": "3",
}


def test_trainer_as_a_custom_job():
    _, spec = compiled(**CUSTOM_JOB, tuner="2", machines__tuner__accelerator="NVIDIA_L4:1")
    check(spec, containers(spec))
    container = containers(spec)["Trainer_executor"].container
    assert "components.custom_job_trainer.executor.Executor" in container.args
    assert not container.HasField("resources")  # the container only waits for the custom job
    assert spec.root.dag.tasks["Trainer"].retry_policy.max_retry_count == 3
    # Tuner runs as a step of the pipeline, and not as a custom job
    tuner = containers(spec)["Tuner_executor"].container.resources
    assert (tuner.accelerator.type, tuner.accelerator.count) == ("NVIDIA_L4", 1)


def test_machines_are_no_part_of_the_cache_key():
    machines = {"machines__trainer__workers": "2", "machines__trainer__spot": "true"}
    (_, one), (_, other) = compiled(**CUSTOM_JOB), compiled(**CUSTOM_JOB | machines)
    assert one.root.dag.tasks["Trainer"] == other.root.dag.tasks["Trainer"]
    assert containers(one)["Trainer_executor"] == containers(other)["Trainer_executor"]
    # The pipelines differ, because the arguments of ResolveInputs contain the machine options.
    assert one != other


def test_machines_on_kubernetes(tmp_path):
    config = config_of(
        run__runner="kubeflow",
        machines__trainer__spot="true",
        machines__trainer__disk_gb="100",
        machines__trainer__timeout_minutes="90",
        machines__backbone__disk_gb="10",
        machines__tuner__disk_gb="10",  # no effect, because the pipeline has no Tuner
        **MACHINES,
    )
    job = compile_job(config)
    accelerator = containers(read_pipeline_spec(job))[
        "Trainer_executor"
    ].container.resources.accelerator
    assert (accelerator.type, accelerator.count) == ("nvidia.com/gpu", 2)
    write_job(job, tmp_path / "pipeline.yaml", config)
    spec, platform = yaml.safe_load_all((tmp_path / "pipeline.yaml").read_text())
    assert json_format.ParseDict(spec, pipeline_spec_pb2.PipelineSpec()) == read_pipeline_spec(job)
    json_format.ParseDict(platform, pipeline_spec_pb2.PlatformSpec())
    executors = platform["platforms"]["kubernetes"]["deploymentSpec"]["executors"]
    assert set(executors) == {"Backbone_executor", "Trainer_executor"}
    trainer = executors["Trainer_executor"]
    assert trainer["activeDeadlineSeconds"] == "5400"
    assert trainer["nodeSelector"]["labels"] == {
        "cloud.google.com/gke-accelerator": "nvidia-tesla-t4",
        "cloud.google.com/gke-spot": "true",
    }
    # a volume for temporary files, to which the unprivileged user of the image can write
    (temporary,) = trainer["emptyDirMounts"]
    assert (temporary["mountPath"], temporary["sizeLimit"]) == ("/tmp", "100G")


STORE = {"run__runner": "kubeflow", "pipeline_root": "minio://mlpipeline/flowers"}
VOLUME = {"cloud__volumes": ["vit-state:/state"], "cloud__state_dir": "/state/flowers"}


def test_downloaded_weights_are_kept_in_the_volume_of_the_state_directory():
    def environment(**settings):
        _, spec = compiled(**STORE | settings)
        variables = [list(executor.container.env) for executor in containers(spec).values()]
        assert all(found == variables[0] for found in variables)
        return {variable.name: variable.value for variable in variables[0]}

    assert environment(**VOLUME) == {"VIT_HOME": "/state/flowers/weights"}
    assert environment(cloud__state_dir="gs://bucket/flowers") == {}


def test_a_run_in_the_object_store_needs_a_state_directory():
    """If a run sets the pipeline root as a parameter, ResolveInputs refuses a root in the object
    store without cloud.state_dir."""
    config = config_of(run__runner="kubeflow", pipeline_root=None)
    root = {"pipeline_root": STORE["pipeline_root"]}
    with pytest.raises(InputError, match=r"^--pipeline-root minio://.*: found no cloud.state_dir"):
        with_parameters(read_config(config.to_json()), parameter_values(config) | root)
    config = config_of(run__runner="kubeflow", pipeline_root=None, **VOLUME)
    found = with_parameters(read_config(config.to_json()), parameter_values(config) | root)
    assert found == config_of(**STORE, **VOLUME)


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("accelerator", "NVIDIA_TESLA_T4", "expected TYPE:COUNT"),
        ("accelerator", "nvidia.com/gpu:1", "expected one of Vertex AI's types"),
        ("accelerator", "NVIDIA_FOO:3", "there is no accelerator NVIDIA_FOO; expected one of"),
        ("accelerator", "nvidia_tesla_t4:1", "there is no accelerator nvidia_tesla_t4"),
        (
            "accelerator",
            "TPU_V3:8",
            "a step cannot have a TPU; expected a GPU, or Trainer as a custom",
        ),
        ("spot", "true", "has no effect on steps of a Vertex AI pipeline"),
        ("cpu", "0", "expected a number above 0"),
    ],
)
def test_invalid_machines(key, value, message):
    with pytest.raises(InputError, match=message):
        config_of(**{f"machines__trainer__{key}": value})


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        (
            "tuner__accelerator",
            "TPU_V3:8",
            "a step cannot have a TPU; expected a GPU, or Trainer as a custom job",
        ),
        ("trainer__accelerator", "NVIDIA_TESLA_T5:1", "did you mean NVIDIA_TESLA_T4?"),
    ],
)
def test_accelerators_that_kubernetes_does_not_have(key, value, message):
    with pytest.raises(InputError) as error:
        config_of(run__runner="kubeflow", **{f"machines__{key}": value})
    assert message in str(error.value)
    config_of(run__runner="kubeflow", machines__trainer__accelerator="amd.com/gpu:1")


def test_the_accelerators_are_those_of_vertex_ai():
    from google.cloud.aiplatform_v1.types import AcceleratorType

    assert set(GPUS) == {kind.name for kind in AcceleratorType if kind.name.startswith("NVIDIA")}


def test_a_written_job_is_read_again(flowers, tmp_path):
    job, spec = flowers
    write_job(job, tmp_path / "job.json", config_of())
    assert json_format.Parse(
        (tmp_path / "job.json").read_text(), pipeline_spec_pb2.PipelineJob()
    ) == (job)
    assert json.loads((tmp_path / "job.json").read_text())["runtimeConfig"] == {
        "gcsOutputDirectory": "gs://bucket/root"
    }
    write_job(job, tmp_path / "pipeline.yaml", config_of())
    content = yaml.safe_load((tmp_path / "pipeline.yaml").read_text())
    assert json_format.ParseDict(content, pipeline_spec_pb2.PipelineSpec()) == spec
