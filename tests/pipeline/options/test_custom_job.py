"""Tests of the specification of Trainer's custom job, and of options that are refused."""

import json

import pytest
from google.cloud.aiplatform_v1.types import CustomJob
from google.protobuf import json_format

from common.errors import InputError
from pipeline.options.build import build_config
from pipeline.options.config import Config
from pipeline.options.custom_job import custom_job
from pipeline.options.machines import Machine
from pipeline.options.settings import Setting

VERTEX = {
    "model": "vit_b16_fe",
    "name": "flowers",
    "run.runner": "vertex",
    "pipeline_root": "gs://bucket/root",
    "cloud.project": "p",
    "cloud.region": "europe-west4",
    "cloud.image": "europe-docker.pkg.dev/p/r/vit:1",
}


def config_of(settings=VERTEX, **machine) -> Config:
    given = settings | {f"machines.trainer.{key}": value for key, value in machine.items()}
    return build_config({key: Setting(value, key) for key, value in given.items()})


def job_of(settings=VERTEX, **machine) -> CustomJob:
    """Returns the job as a `CustomJob` proto; an unknown field is an error."""
    config = config_of(settings, **machine)
    job = custom_job(config.name, config.machines.trainer, config.cloud)
    assert job.pop("project") == "p"
    message = CustomJob.pb(CustomJob())
    timeout = job["job_spec"]["scheduling"].get("timeout")
    if timeout:  # in the JSON of a proto, a duration is a string
        job["job_spec"]["scheduling"]["timeout"] = f"{timeout['seconds']}s"
    json_format.ParseDict(json.loads(json.dumps(job)), message)
    return CustomJob.wrap(message)


def test_one_machine():
    job = job_of(machine_type="n1-standard-8")
    assert job.display_name == "flowers-trainer"
    (pool,) = job.job_spec.worker_pool_specs
    assert pool.replica_count == 1
    assert pool.machine_spec.machine_type == "n1-standard-8"
    assert pool.container_spec.image_uri == "europe-docker.pkg.dev/p/r/vit:1"
    assert not pool.container_spec.env
    assert not job.job_spec.scheduling.restart_job_on_worker_restart


def test_several_spot_machines_with_accelerators():
    job = job_of(
        machine_type="n1-standard-16",
        workers="4",
        accelerator="NVIDIA_TESLA_T4:2",
        spot="true",
        timeout_minutes="90",
        disk_gb="200",
    )
    chief, others = job.job_spec.worker_pool_specs
    assert (chief.replica_count, others.replica_count) == (1, 3)
    assert chief.machine_spec == others.machine_spec
    assert chief.machine_spec.accelerator_type.name == "NVIDIA_TESLA_T4"
    assert chief.machine_spec.accelerator_count == 2
    assert chief.disk_spec == others.disk_spec
    assert chief.disk_spec.boot_disk_size_gb == 200
    scheduling = job.job_spec.scheduling
    assert scheduling.strategy.name == "SPOT"
    assert scheduling.timeout.total_seconds() == 5400
    assert scheduling.restart_job_on_worker_restart


@pytest.mark.parametrize(
    "machine",
    [
        {"machine_type": "ct5lp-hightpu-4t", "tpu_topology": "2x2"},
        {"machine_type": "ct4p-hightpu-4t", "tpu_topology": "2x2x1"},
        {"machine_type": "cloud-tpu", "accelerator": "TPU_V3:8"},
    ],
)
def test_a_tpu_machine_needs_the_variable_tpu_name(machine):
    (pool,) = job_of(**machine).job_spec.worker_pool_specs
    assert pool.machine_spec.tpu_topology == machine.get("tpu_topology", "")
    (variable,) = pool.container_spec.env
    assert (variable.name, variable.value) == ("TPU_NAME", "local")


def test_account_network_key_and_labels():
    job = job_of(
        VERTEX
        | {
            "cloud.service_account": "runner@p.iam.gserviceaccount.com",
            "cloud.network": "projects/1/global/networks/n",
            "cloud.encryption_key": "projects/p/locations/l/keyRings/r/cryptoKeys/k",
            "cloud.labels": "team=vision",
        },
        machine_type="n1-standard-8",
    )
    assert job.job_spec.service_account == "runner@p.iam.gserviceaccount.com"
    assert job.job_spec.network == "projects/1/global/networks/n"
    assert job.encryption_spec.kms_key_name.endswith("cryptoKeys/k")
    assert job.labels == {"team": "vision"}


def test_the_step_that_waits_has_no_machine():
    machines = config_of(
        machine_type="n1-standard-8", accelerator="NVIDIA_TESLA_T4:2", retries="3"
    ).machines
    assert dict(machines.for_steps(["Trainer"])) == {"Trainer": Machine(retries=3)}
    as_step = config_of(accelerator="NVIDIA_TESLA_T4:2", retries="3").machines
    assert dict(as_step.for_steps(["Trainer"])) == {"Trainer": as_step.trainer}


TYPE = {"machine_type": "n1-standard-8"}
TPU = {"machine_type": "ct5lp-hightpu-4t", "tpu_topology": "2x2"}


@pytest.mark.parametrize(
    ("settings", "machine", "message"),
    [
        ({}, {"workers": "2"}, "trainer.workers 2: expected the type of machine as well"),
        ({}, {"tpu_topology": "2x2"}, "tpu_topology 2x2: expected the type of machine as well"),
        ({}, TYPE | {"disk_gb": "99"}, "trainer.disk_gb 99: expected 100 to 64000"),
        (
            {},
            TYPE | {"accelerator": "NVIDIA_L5:1"},
            "no accelerator NVIDIA_L5; did you mean NVIDIA_L",
        ),
        ({}, TPU | {"tpu_topology": "four"}, "expected a topology such as 2x2"),
        ({"cloud.project": None}, TYPE, "^--project missing; the Trainer node submits"),
        ({"cloud.image": None}, TYPE, "^--image missing"),
        ({}, TYPE | {"cpu": "8"}, "trainer.cpu: has no effect with --trainer-machine"),
        ({}, TYPE | {"accelerator": "nvidia.com/gpu:1"}, "expected one of Vertex AI's types"),
        ({}, TYPE | {"accelerator": "TPU_V3:8"}, "expected cloud-tpu"),
        ({}, TYPE | {"tpu_topology": "2x2"}, "found 4 chips for n1-standard-8; expected none"),
        (
            {},
            TPU | {"tpu_topology": "4x4"},
            "found 16 chips .* expected 4, the chips of one machine",
        ),
        ({}, TPU | {"tpu_topology": None}, "topology None: found 0 chips .* expected 4, the"),
        ({}, TPU | {"workers": "2"}, "workers 2: ct5lp-hightpu-4t has a TPU"),
        ({}, TPU | {"accelerator": "NVIDIA_L4:1"}, "includes its TPU; expected no"),
        ({}, {"machine_type": "cloud-tpu"}, "expected TPU_V2:8 or TPU_V3:8 with cloud-tpu"),
        ({"train.strategy": "mirrored"}, TYPE | {"workers": "2"}, "expected auto or multiworker"),
        ({"train.strategy": "multiworker"}, TYPE, "expected auto or single or mirrored"),
        ({"train.strategy": "mirrored"}, TPU, "expected auto or tpu"),
        (
            {"tune": "head", "train.head": "linear_probe"},
            TYPE | {"workers": "2"},
            "--head linear_probe: found machines.trainer.workers 2",
        ),
        (
            {"train.batch_size": "64"},
            TYPE | {"workers": "3", "accelerator": "NVIDIA_L4:2"},
            "--batch-size 64: expected a multiple of 6, which is 6 devices",
        ),
        ({}, {"spot": "true"}, "expected --runner kubeflow or --trainer-machine, a custom job"),
    ],
)
def test_contradictory_options(settings, machine, message):
    given = {k: v for k, v in (VERTEX | settings).items() if v is not None}
    with pytest.raises(InputError, match=message) as error:
        config_of(given, **machine)
    assert "\n" not in str(error.value)


def test_a_linear_probe_has_no_batches_to_divide():
    head = {"tune": "head", "train.head": "linear_probe"}
    assert job_of(VERTEX | head, machine_type="g2-standard-8", accelerator="NVIDIA_L4:3")
