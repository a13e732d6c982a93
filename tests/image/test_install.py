"""What `image/install.sh` installs, from the files that the image's build sees and no others."""

import json
import os
import re
import shutil
import subprocess
from importlib.metadata import version
from pathlib import Path

import pytest

from tests.image.test_files import let_in
from tests.pipeline.runners.test_compile import CUSTOM_JOB, compiled, containers

pytestmark = pytest.mark.slow

# Together, these pipelines have every node.
PIPELINES = ({"tuner": "2"}, {"dataset": "gs://bucket/flowers"}, CUSTOM_JOB)


def loaded():
    """Loads the modules that the commands of compiled jobs load: TFX's entry point, then each
    node's class.
    """
    for settings in PIPELINES:
        _, spec = compiled(**settings)
        for executor in containers(spec).values():
            _, _, entry_point = executor.container.command
            yield entry_point, executor.container.args[1]


@pytest.fixture(scope="module")
def installed(project, tmp_path_factory):
    """Returns the directory that is /opt/vit in the image.

    The packages come from uv's cache, most of them as hard links, and are not compiled to bytecode:
    that would be most of the time and of the disk. The project's own are. There is no compiler, as
    in the image's base; a package that uv's cache has from elsewhere is not built anew, though.
    """
    uv = project / ".uv" / "bin" / "uv"
    if not uv.exists():
        pytest.skip(f"no uv at {uv} (make setup)")
    folder = tmp_path_factory.mktemp("image")
    source = folder / "source"
    source.mkdir()
    for name in let_in(project):
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
    """Runs the installed Python in an empty directory, knowing nothing of the repository."""
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
    names = {name for both in loaded() for name in both}
    assert len(names) == 1 + 16
    code = "import pkgutil, sys\nfor name in sys.argv[1:]: pkgutil.resolve_name(name)\n"
    code += "import trainer, pipeline; print(trainer.__file__, pipeline.__file__)"
    # The import paths of functions that TFX's own executors load.
    functions = ("trainer.preprocessing", "trainer.train", "trainer.tuner")
    run = python("-c", code, *sorted(names), *functions)
    assert run.returncode == 0, run.stderr
    assert run.stdout.count(str(installed / "project")) == 2


def test_the_entry_point_runs_a_node(python, tmp_path):
    """A compiled job calls it in this way: all inputs are arguments, also Kubeflow's executor
    log."""
    examples = {"name": "1", "uri": str(tmp_path / "examples"), "type": {"instanceSchema": TYPE}}
    logs = {"uri": str(tmp_path / "logs"), "type": {"schemaTitle": "system.Artifact"}}
    parameters = {
        "source": json.dumps({"kind": "digits"}),
        "classes": json.dumps(list("0123456789")),
        "max_side": 1024.0,
        "max_pixels": 1e8,
        "max_value": 0.0,
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


def test_the_image_s_own_command(python):
    run = python("-m", "pipeline_runner", "--list-models")
    assert (run.returncode, run.stderr) == (0, "")
    assert "vit_b16_fe" in run.stdout


def test_beam_s_boot_finds_beam_in_the_worker_s_image(python, installed, project):
    """`boot` asks `python -m pip show`, and ends if Beam is not found. The test leaves pip
    visible."""
    if subprocess.run(["python3.11", "-m", "pip", "--version"], check=False).returncode:
        pytest.skip("this machine's Python has no pip; that of the image's base has")
    assert python("-m", "pip", "show", "apache-beam").returncode
    worker = (project / "Dockerfile").read_text().partition("AS worker\n")[2]
    (step,) = re.findall(r"^RUN (sed .*)$", worker, re.MULTILINE)
    subprocess.run(step.replace("/opt/vit", str(installed)), shell=True, check=True)
    shown = python("-m", "pip", "show", "apache-beam")
    assert f"Version: {version('apache-beam')}\n" in shown.stdout
