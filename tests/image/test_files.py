"""Tests of the Dockerfile, .dockerignore and the lock files; the tests do not run Docker."""

import re
import subprocess
from importlib.metadata import requires
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from common.fingerprint import FIRST_PARTY

PACKAGES = set(FIRST_PARTY)
FILES = {"LICENSE", "README.md", "pipeline_runner.py", "pyproject.toml", "setup.py"}


@pytest.fixture(scope="module")
def dockerfile(project):
    return (project / "Dockerfile").read_text()


def locked(file: Path) -> dict[str, str]:
    """Returns the version of each package in a lock file."""
    return dict(re.findall(r"^([\w.-]+)(?:\[.*\])?==([^ ;]+)", file.read_text(), re.MULTILINE))


def files_in_context(project: Path) -> set[str]:
    """Returns the names in the project's root that .dockerignore admits to the build context."""
    first, *lines = [
        line
        for line in (project / ".dockerignore").read_text().splitlines()
        if line and not line.startswith("#")
    ]
    assert first == "*", "what is not named must stay outside"
    return {line.removeprefix("!") for line in lines if line.startswith("!")}


def test_only_code_and_locks_are_in_the_build_context(project):
    locks = {"requirements.lock", "requirements-cuda.lock"}
    assert files_in_context(project) == PACKAGES | FILES | locks | {"image"}
    assert all((project / name).exists() for name in files_in_context(project))


def test_dockerignore_admits_copied_files(dockerfile, project):
    copied = re.findall(r"^COPY (?!--from)(.+) \S+$", dockerfile, re.MULTILINE)
    sources = {source.split("/")[0] for line in copied for source in line.split()} - {"."}
    assert sources
    assert sources <= files_in_context(project)


def test_the_image_has_an_unprivileged_user_and_no_build_tools(dockerfile):
    stages = re.split(r"^FROM ", dockerfile, flags=re.MULTILINE)[1:]
    by_name = {re.match(r"\S+ AS (\w+)", stage).group(1): stage for stage in stages}
    assert list(by_name)[-1] == "pipeline", "the last stage is what `docker build` makes"
    assert re.search(r"^USER [1-9]\d*$", by_name["pipeline"], re.MULTILINE)
    assert re.match(r"installed ", by_name["pipeline"])
    assert re.match(r"\$\{BASE\} ", by_name["installed"]), "none of the building stages"
    assert "RUN" not in by_name["installed"]


def test_versions_agree(dockerfile, project):
    arguments = dict(re.findall(r"^ARG (\w+)=(\S+)$", dockerfile, re.MULTILINE))
    makefile = (project / "Makefile").read_text()
    assert arguments["BEAM_VERSION"] == locked(project / "requirements.lock")["apache-beam"]
    assert f"UV_VERSION := {arguments['UV_VERSION']}\n" in makefile
    assert arguments["BASE"].startswith("docker.io/library/python:3.11-slim")


def test_development_tools_have_a_lock_of_their_own(project):
    """A package in both lock files has the same version in each file, so that both files can be
    installed together."""
    run, tools = (locked(project / f"requirements{suffix}.lock") for suffix in ("", "-dev"))
    assert not {"pytest", "mypy", "ruff", "coverage"} & set(run)
    assert {name: run[name] for name in run.keys() & tools.keys()} == {
        name: tools[name] for name in run.keys() & tools.keys()
    }


def test_nvidias_libraries_meet_the_requirements_of_tensorflow(project):
    wanted = [Requirement(line) for line in requires("tensorflow") if "and-cuda" in line]
    versions = locked(project / "requirements-cuda.lock")
    assert {requirement.name for requirement in wanted} == set(versions)
    assert all(versions[wish.name] in wish.specifier for wish in wanted)
    assert not set(versions) & set(locked(project / "requirements.lock"))


def test_the_install_script_names_its_arguments(project, tmp_path):
    for wrong in (["dependencies", "d", "tpu"], ["projects", "d"]):
        script = str(project / "image" / "install.sh")
        run = subprocess.run(
            [script, *wrong], cwd=tmp_path, capture_output=True, text=True, check=False
        )
        assert run.returncode == 2
        assert "expected dependencies DIRECTORY [cpu|cuda]" in run.stderr
