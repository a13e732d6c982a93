"""Tests that wrong flags for Beam are refused in one line, also by Beam's own checks."""

import logging

import pytest

from common.errors import InputError
from pipeline.beam.flags import check_beam_flags
from pipeline.options.build import build_config
from pipeline.options.settings import Setting

IMAGE = "--sdk_container_image=registry.example/vit:1"
DATAFLOW = (
    "--runner=DataflowRunner",
    "--project=my-project",
    "--region=europe-west4",
    "--temp_location=gs://my-bucket/tmp",
)


def check(*flags, **options):
    """Checks a configuration with the given flags for Beam."""
    values = {"model": "vit_mini_fe", "dataset": "digits", "run.beam_args": list(flags), **options}
    check_beam_flags(build_config({key: Setting(value, key) for key, value in values.items()}))


COMPILED = {"run.runner": "vertex"}


@pytest.mark.parametrize(
    ("flags", "options"),
    [
        (["--direct_num_workers=2", "--direct_running_mode=multi_processing"], {}),
        (["--runner=FlinkRunner", "--flink_master", "[local]", "--parallelism=2"], {}),
        (["--runner=SparkRunner", "--spark_master_url=local[2]"], COMPILED),
        # Flink's job server defines --checkpointing_interval; the options of Beam for Python do not
        # contain this flag.
        (["--runner=FlinkRunner", "--flink_master=[local]", "--checkpointing_interval=9"], {}),
        (["--runner=FlinkRunner", "--flink_master=flink:8081", IMAGE], COMPILED),
        ([*DATAFLOW, IMAGE], COMPILED),
        ([*DATAFLOW, IMAGE, "--setup_file=/code/setup.py"], COMPILED),
        ([*DATAFLOW, IMAGE, "--machine_type=n1-standard-4", "--max_num_workers=9"], COMPILED),
        ([*DATAFLOW, IMAGE], {"dataset": "tf_flowers", "data_dir": "gs://b/tfds", **COMPILED}),
        ([*DATAFLOW, IMAGE], {"pipeline_root": "gs://my-bucket/root"}),
        # Beam's local workers run in the node's container, so they can read the data directory of
        # TFDS there.
        (["--direct_num_workers=2"], {"dataset": "tf_flowers", **COMPILED}),
    ],
)
def test_flags_that_work_pass(flags, options):
    handlers = list(logging.getLogger().handlers)
    check(*flags, **options)
    # Beam must not have added a log handler that prints to the screen.
    assert logging.getLogger().handlers == handlers


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        (["--runer=DataflowRunner"], "DirectRunner has no flag --runer; did you mean --runner?"),
        (["--qqq=1"], "DirectRunner has no flag --qqq; expected a flag of Beam"),
        (["runner"], "DirectRunner has no flag runner; did you mean --runner?"),
        (["--runner=FlinkRunner", "--paralelism=2"], "did you mean --parallelism?"),
        (
            ["--runner=FlinkRuner"],
            "--runner=FlinkRuner: Unexpected pipeline runner: FlinkRuner. Valid",
        ),
        (["--runner=no.such.Runner"], "--runner=no.such.Runner: No module named 'no'"),
        (["--direct_num_workers=two"], "--direct_num_workers: invalid int value: 'two'"),
        (["--direct_running_mode=x"], "invalid choice: 'x' (choose from 'in_memory'"),
        (["--setup_file=nope/setup.py"], "--setup_file=nope/setup.py: no such file"),
        (["--runner=PortableRunner", "--environment_type=EXTERNAL"], "external_service_address is"),
        (DATAFLOW[:1], "Missing GCS path option: temp_location. Missing required option: project."),
        ([*DATAFLOW, "--temp_location=s3://bucket/tmp"], "Invalid GCS path (s3://bucket/tmp)"),
        ([*DATAFLOW, "--project=123"], "Invalid Project ID (123)"),
        ([*DATAFLOW, "--num_workers=9", "--max_num_workers=2"], "cannot exceed max_num_workers"),
        (DATAFLOW, "expected --beam-arg=--sdk_container_image=IMAGE"),
        (["--runner=dataflow", *DATAFLOW[1:]], "expected --beam-arg=--sdk_container_image=IMAGE"),
        ([*DATAFLOW, IMAGE], "the workers of DataflowRunner do not have this machine's disk"),
    ],
)
def test_flags_that_cannot_work_are_refused(flags, expected):
    with pytest.raises(InputError) as refused:
        check(*flags)
    assert expected in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_compiled_pipeline_needs_a_region(monkeypatch):
    """A compiled pipeline needs --region, because it runs on a cluster without gcloud's
    configuration.

    A local pipeline without --region gets the region from gcloud's configuration.
    """
    monkeypatch.setenv("CLOUDSDK_COMPUTE_REGION", "europe-west4")
    without_region = [*DATAFLOW[:2], DATAFLOW[3], IMAGE]
    check(*without_region, pipeline_root="gs://my-bucket/root")
    with pytest.raises(InputError, match="for DataflowRunner: Missing required option: region"):
        check(*without_region, **COMPILED)


@pytest.mark.parametrize(
    "flag",
    [
        "--setup_file=./setup.py",
        "--setup_file=setup.py",
        "--requirements_file=requirements.txt",
        "--extra_package=dist/more.tar.gz",
    ],
)
def test_a_file_of_this_machine_is_not_in_the_image(flag):
    with pytest.raises(
        InputError, match="expected a URL or an absolute path in the container image"
    ):
        check(*DATAFLOW, flag, **COMPILED)


@pytest.mark.parametrize(
    "flags", [[*DATAFLOW, IMAGE], ["--runner=FlinkRunner", "--flink_master=flink:8081", IMAGE]]
)
def test_remote_workers_have_no_local_copies_and_no_volume(flags):
    kubeflow = {"run.runner": "kubeflow", "pipeline_root": "minio://b/root"}
    message = (
        r"^--pipeline-root minio://b/root: the workers of \w+ cannot read minio:// and s3:// URIs;"
        " .*leave out the --beam-arg"
    )
    with pytest.raises(InputError, match=message):
        check(*flags, **kubeflow, **{"cloud.state_dir": "gs://b/state"})
    check("--direct_num_workers=2", **kubeflow, **{"cloud.state_dir": "gs://b/state"})
    volume = {"cloud.volumes": ["vit:/state"], "cloud.state_dir": "/state"}
    with pytest.raises(InputError, match=r"^cloud.state_dir /state: the workers of \w+ do not"):
        check(*flags, **kubeflow | {"pipeline_root": "gs://b/root"}, **volume)


@pytest.mark.parametrize("options", [COMPILED, {"pipeline_root": "gs://b/root"}])
@pytest.mark.parametrize("dataset", ["tf_flowers", "tfds:beans"])
def test_remote_workers_need_a_remote_data_directory(dataset, options):
    message = "the workers of DataflowRunner may not have; expected --data-dir, such as gs://"
    with pytest.raises(InputError, match=message):
        check(*DATAFLOW, IMAGE, dataset=dataset, **options)


@pytest.mark.parametrize(
    ("flag", "options"),
    [
        ("--pipeline-root /", {"pipeline_root": "/here"}),
        ("--data-dir /here", {"dataset": "tf_flowers", "data_dir": "/here"}),
        ("--dataset /", {"dataset": "schemas"}),
    ],
)
def test_dataflow_cannot_read_files_of_this_machine(flag, options, project, monkeypatch):
    monkeypatch.chdir(project)
    with pytest.raises(InputError, match=f"{flag}.*: the workers of DataflowRunner do not have"):
        check(*DATAFLOW, IMAGE, **{"pipeline_root": "gs://b/root", **options})
