"""Tests of the flags that the pipeline passes to Beam."""

import re
import shutil
import tarfile

import pytest
from apache_beam.options.pipeline_options import GoogleCloudOptions, PipelineOptions, SetupOptions
from apache_beam.options.pipeline_options_validator import PipelineOptionsValidator
from apache_beam.runners.portability.stager import Stager
from apache_beam.runners.runner import create_runner

from common.errors import InputError
from common.fingerprint import FIRST_PARTY
from pipeline.beam.engine import beam_arguments

HERE = "--sdk_container_image=none"
IMAGE = "--sdk_container_image=registry.example/vit:1"


def beam_flags_of(text: str) -> list[str]:
    """Returns the flags that the commands in `text` pass to Beam."""
    return [flag.strip("'\"") for flag in re.findall(r"--beam-arg=('[^']+'|\S+)", text)]


def expand_exports(text: str) -> str:
    """Replaces shell variables in `text` with the values from the `export` lines in `text`."""
    lines = re.findall(r"^export (.+)$", text, re.MULTILINE)
    exports = re.findall(r"(\w+)=(\S+)", " ".join(lines))
    # The value of a variable may contain variables from earlier lines, so this loop replaces the
    # variables in reverse order.
    for name, value in reversed(exports):
        text = re.sub(rf"\${name}\b", value, text)
    return text


@pytest.fixture(scope="module")
def documented(project):
    """Returns the flags for Beam of each documented command, by document and engine."""
    found = {}
    for document in ("docs/beam.md", "docs/vertex.md"):
        text = expand_exports((project / document).read_text()).replace("\\\n", " ")
        commands = re.findall(r"^(?:python|…) .*--beam-arg=.*$", text, re.MULTILINE)
        for flags in map(beam_flags_of, commands):
            engine = PipelineOptions(flags).get_all_options()["runner"] or "DirectRunner"
            found[document, engine] = flags
    return found


@pytest.mark.parametrize(
    "flags",
    [
        (),
        ("--direct_num_workers=2",),
        ("--runner=DirectRunner", "--direct_num_workers=2"),
        ("--runner=FlinkRunner",),
        ("--runner=FlinkRunner", "--flink_master=[local]"),
        ("--runner=flink", "--flink_master=[local]"),
        ("--runner=FlinkRunner", "--flink_master=flink:8081", "--environment_type=EXTERNAL"),
        ("--runner=SparkRunner", "--spark_master_url=local[2]"),
        ("--runner=PortableRunner", "--environment_type=LOOPBACK"),
    ],
)
def test_workers_that_are_no_containers_run_the_installed_code(flags):
    arguments = beam_arguments(flags)
    assert arguments[-len(flags) or len(arguments) :] == flags
    assert HERE in arguments
    assert any(argument.startswith("--runner=") for argument in arguments)


@pytest.mark.parametrize(
    "flags",
    [
        ("--runner=DataflowRunner", "--project=p"),
        ("--runner=apache_beam.runners.DataflowRunner",),
        ("--runner=dataflow",),
        ("--runner=FlinkRunner", "--flink_master=flink:8081"),
        ("--runner=SparkRunner", "--spark_master_url=spark://spark:7077"),
        ("--runner=FlinkRunner", "--flink_master=[local]", "--environment_type=DOCKER"),
        ("--runner=PortableRunner", "--job_endpoint=server:8099"),
    ],
)
def test_workers_that_are_containers_need_an_image(flags):
    with pytest.raises(InputError, match="expected --beam-arg=--sdk_container_image=IMAGE"):
        beam_arguments(flags)
    assert beam_arguments((*flags, IMAGE)) == (*flags, IMAGE)
    assert beam_arguments((*flags, "--setup_file=./setup.py")) == (
        *flags,
        "--setup_file=./setup.py",
    )


def test_the_documented_flags_are_known_to_beam(documented):
    assert set(documented) == {
        ("docs/beam.md", "DirectRunner"),
        ("docs/beam.md", "FlinkRunner"),
        ("docs/beam.md", "SparkRunner"),
        ("docs/beam.md", "DataflowRunner"),
        ("docs/vertex.md", "DataflowRunner"),
    }
    for flags in documented.values():
        options = PipelineOptions(flags)
        known = options.get_all_options(drop_default=True)
        assert {flag.removeprefix("--").split("=")[0] for flag in flags} == set(known)
        beam_arguments(flags)


@pytest.mark.parametrize("document", ["docs/beam.md", "docs/vertex.md"])
@pytest.mark.parametrize("missing", ["", "--project"])
def test_dataflow_accepts_the_documented_flags_and_requires_them(
    documented, document, missing, monkeypatch
):
    # The patch skips Beam's check of the buckets for temporary files, which would take minutes
    # without a network.
    monkeypatch.setattr(GoogleCloudOptions, "_warn_if_soft_delete_policy_enabled", lambda *_: None)
    flags = [f for f in documented[document, "DataflowRunner"] if not missing or missing not in f]
    assert not any("$" in flag for flag in flags)
    options = PipelineOptions(flags)
    errors = PipelineOptionsValidator(options, create_runner("DataflowRunner")).validate()
    assert bool(errors) == bool(missing), errors


def test_beam_packs_the_code_and_its_data_for_setup_file(project, tmp_path):
    copy = tmp_path / "project"
    copy.mkdir()
    for name in FIRST_PARTY:
        shutil.copytree(project / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("setup.py", "pyproject.toml", "pipeline_runner.py", "README.md", "LICENSE"):
        shutil.copy(project / name, copy / name)
    options = PipelineOptions([f"--setup_file={copy / 'setup.py'}"])
    assert options.view_as(SetupOptions).setup_file
    staged = tmp_path / "staged"
    staged.mkdir()
    Stager.create_job_resources(options, str(staged))
    (package,) = staged.rglob("*.tar.gz")
    with tarfile.open(package) as archive:
        names = {name.split("/", 1)[-1] for name in archive.getnames()}
    expected = {"schemas/tf_flowers.pbtxt", "trainer/imagenet_classes.txt", "pipeline_runner.py"}
    assert expected | {"components/image_example_gen/executor.py", "setup.py"} <= names
    assert not any(name.startswith("tests") for name in names)
