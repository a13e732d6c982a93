"""Tests of the installation by `image/install.sh`, from the files in the build context alone."""

import json
import os
import re
import shutil
import subprocess
from importlib.metadata import version
from pathlib import Path

import pytest

from tests.image.test_files import files_in_context
from tests.pipeline.runners.test_compile import CUSTOM_JOB, compiled, containers

pytestmark = pytest.mark.slow

# Each node of this project is in at least one of these three pipelines.
PIPELINES = ({"tuner": "2"}, {"dataset": "gs://bucket/flowers"}, CUSTOM_JOB)


def modules_of_jobs():
    """Yields the entry points and executor classes in the commands of compiled jobs."""
    for settings in PIPELINES:
        _, spec = compiled(**settings)
        for executor in containers(spec).values():
            _, _, entry_point = executor.container.command
            yield entry_point, executor.container.args[1]


@pytest.fixture(scope="module")
def installed(project, tmp_path_factory):
    """Installs the project; returns the directory that is /opt/vit in the image.

    To save time and disk space, most packages are hard links to uv's cache, and only the project's
    own packages are compiled to bytecode. As in the base image, no C or C++ compiler is available
    to the installation. A package that must be compiled therefore makes the installation fail,
    unless uv's cache already contains a build of the package.
    """
    uv = project / ".uv" / "bin" / "uv"
    if not uv.exists():
        pytest.skip(f"no uv at {uv} (make setup)")
    folder = tmp_path_factory.mktemp("image")
    source = folder / "source"
    source.mkdir()
    for name in files_in_context(project):
        if (project / name).is_dir():
            ignored = shutil.ignore_patterns("__pycache__", ".*")
            shutil.copytree(project / name, source / name, ignore=ignored)
        else:
            shutil.copy(project / name, source / name)
    script, target = str(source / "image" / "install.sh"), str(folder / "vit")
    no_compiler = {"CC": "false", "CXX": "false"}
    for step, bytecode in (("dependencies", "0"), ("project", "1")):
        environment = os.environ | no_compiler | {"UV": str(uv), "UV_COMPILE_BYTECODE": bytecode}
        subprocess.run([script, step, target], env=environment, check=True)
    shutil.rmtree(source)
    yield Path(target)
    shutil.rmtree(target)


@pytest.fixture(scope="module")
def python(installed, tmp_path_factory):
    """Returns a function that runs the installed Python in an empty directory."""
    empty = tmp_path_factory.mktemp("empty")
    known = {"HOME": str(empty), "PATH": f"{installed}/environment/bin:/usr/bin:/bin"}

    def run(*arguments):
        return subprocess.run(
            [f"{installed}/environment/bin/python", *arguments],
            cwd=empty,
            env=known,
            capture_output=True,
            text=True,
            check=False,
        )

    return run


def test_the_image_has_the_project_compiled_and_with_its_data(installed):
    project = installed / "project"
    assert list((project / "schemas").glob("*.pbtxt"))
    assert (project / "trainer" / "imagenet_classes.txt").is_file()
    assert list((project / "trainer" / "__pycache__").glob("train.cpython-311.pyc"))
    assert not (project / "tests").exists()


def test_the_image_has_no_tools(installed):
    scripts = {path.name for path in (installed / "environment" / "bin").iterdir()}
    assert not {"pytest", "mypy", "ruff", "pip", "uv"} & scripts


def test_the_image_has_the_modules_that_jobs_load(python, installed):
    names = {name for both in modules_of_jobs() for name in both}
    assert len(names) == 1 + 16
    code = "import pkgutil, sys\nfor name in sys.argv[1:]: pkgutil.resolve_name(name)\n"
    code += "import trainer, pipeline; print(trainer.__file__, pipeline.__file__)"
    # TFX's own executors load functions from the following modules, which `names` does not contain.
    functions = ("trainer.preprocessing", "trainer.train", "trainer.tuner")
    run = python("-c", code, *sorted(names), *functions)
    assert run.returncode == 0, run.stderr
    assert run.stdout.count(str(installed / "project")) == 2


def test_the_entry_point_runs_a_node(python, tmp_path):
    """The entry point gets the arguments from a compiled job. The entry point also gets the output
    `executor-logs`, which Kubeflow Pipelines adds to each node.
    """
    examples = {"name": "1", "uri": str(tmp_path / "examples"), "type": {"instanceSchema": TYPE}}
    logs = {"uri": str(tmp_path / "logs"), "type": {"schemaTitle": "system.Artifact"}}
    parameters = {
        "source": json.dumps({"kind": "digits"}),
        "classes": json.dumps(list("0123456789")),
        "max_side": 1024.0,
        "max_pixels": 1e8,
        "max_value": 0.0,
        "split_by": "content",
        "listing": str(tmp_path / "listing.jsonl"),
    }
    invocation = {
        "inputs": {"parameterValues": parameters},
        "outputs": {
            "artifacts": {
                "examples": {"artifacts": [examples]},
                "executor-logs": {"artifacts": [logs]},
            },
            "outputFile": str(tmp_path / "task" / "executor_output.json"),
        },
    }
    names = ("max_side", "max_pixels", "max_value")
    integer = {"parameters": {name: {"parameterType": "NUMBER_INTEGER"} for name in names}}
    run = python(
        "-m",
        "pipeline.runners.container",
        "--executor_class_path=components.image_example_gen.executor.Executor",
        f"--json_serialized_invocation_args={json.dumps(invocation)}",
        f"--json_serialized_inputs_spec_args={json.dumps(integer)}",
        "--declared_outputs=examples",
        "--runner=DirectRunner",
        "--allow_unsafe_triggers",
        "--sdk_container_image=none",
    )
    assert run.returncode == 0, run.stderr
    assert json.loads((tmp_path / "examples" / "counts.json").read_text())["read"] == 1797
    assert (tmp_path / "task" / "executor_output.json").is_file()


TYPE = """
title: tfx.Examples
type: object
properties:
  span: {type: integer}
  version: {type: integer}
  split_names: {type: string}
"""


def test_the_image_runs_the_command_line(python):
    run = python("-m", "pipeline_runner", "--list-models")
    assert (run.returncode, run.stderr) == (0, "")
    assert "vit_b16_fe" in run.stdout


def test_pip_is_visible_in_the_worker_image(python, installed, project):
    """In the worker image, Beam's program `boot` exits if `pip show` does not find Beam."""
    if subprocess.run(["python3.11", "-m", "pip", "--version"], check=False).returncode:
        pytest.skip("this machine's Python has no pip, unlike the Python of the image's base")
    assert python("-m", "pip", "show", "apache-beam").returncode
    worker = (project / "Dockerfile").read_text().partition("AS worker\n")[2]
    (step,) = re.findall(r"^RUN (sed .*)$", worker, re.MULTILINE)
    subprocess.run(step.replace("/opt/vit", str(installed)), shell=True, check=True)
    shown = python("-m", "pip", "show", "apache-beam")
    assert f"Version: {version('apache-beam')}\n" in shown.stdout
