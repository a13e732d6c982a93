"""Tests that setup.py, pyproject.toml and `FIRST_PARTY` list all packages of the project."""

import re
import tomllib

import pytest

from common.fingerprint import FIRST_PARTY


@pytest.fixture(scope="module")
def packages(project):
    """Returns the project's packages: the folders in the root that have an `__init__.py`."""
    return {path.parent.name for path in project.glob("*/__init__.py")}


def test_fingerprints_follow_imports_into_every_package(packages):
    assert set(FIRST_PARTY) == packages


def test_every_package_is_installed(packages, project):
    (listed,) = re.findall(
        r"^PACKAGES = \((.+)\)$", (project / "setup.py").read_text(), re.MULTILINE
    )
    assert set(re.findall(r"\w+", listed)) == packages


def test_every_package_is_measured_and_has_its_layer(packages, project):
    tools = tomllib.loads((project / "pyproject.toml").read_text())["tool"]
    with_code = packages - {"schemas"}
    assert set(tools["coverage"]["run"]["source"]) == with_code | {"pipeline_runner"}
    assert set(tools["importlinter"]["root_packages"]) == with_code
    assert set(tools["importlinter"]["contracts"][0]["layers"]) == with_code
