"""Fixtures that compile pipelines, and make an environment that stands for the container image."""

import contextlib
import io
from collections.abc import Iterator
from pathlib import Path

import pytest

import pipeline_runner
from tests.compiled.containers import Containers
from tests.installation import make_environment


@pytest.fixture(scope="session")
def container_bin(project, tmp_path_factory) -> Path:
    """Returns the `bin` directory of an environment with the same packages as the image."""
    return make_environment(project, tmp_path_factory.mktemp("image"))


@pytest.fixture(scope="session")
def containers(container_bin, tmp_path_factory) -> Iterator[Containers]:
    """Runs containers with the packages in `container_bin`."""
    with Containers(container_bin, tmp_path_factory.mktemp("server")) as containers:
        yield containers


@pytest.fixture(scope="session")
def compile_to():
    """Returns a function that compiles a pipeline to a file with the command line."""

    def compile_to(path: Path, *arguments: str) -> Path:
        runner = "vertex" if path.suffix == ".json" else "kubeflow"
        arguments = ["--runner", runner, "--output", str(path), "--image", "vit:1", *arguments]
        path.parent.mkdir(parents=True, exist_ok=True)
        with contextlib.chdir(path.parent), contextlib.redirect_stdout(io.StringIO()):
            assert pipeline_runner.main(arguments) == 0
        return path

    return compile_to
