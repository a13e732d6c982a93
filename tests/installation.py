"""Installs the project as the container image does, from a wheel."""

import shutil
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

from common.fingerprint import FIRST_PARTY


def build_wheel(project: Path, folder: Path) -> Path:
    """Builds the project's wheel in `folder`, from a copy without generated files."""
    copy = folder / "project"
    copy.mkdir()
    for name in FIRST_PARTY:
        shutil.copytree(project / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("setup.py", "pyproject.toml", "pipeline_runner.py", "README.md"):
        shutil.copy(project / name, copy / name)
    build = "import sys; from setuptools.build_meta import build_wheel; build_wheel(sys.argv[1])"
    subprocess.run(
        [sys.executable, "-c", build, str(folder)], cwd=copy, check=True, capture_output=True
    )
    shutil.rmtree(copy)
    (wheel,) = folder.glob("*.whl")
    return wheel


def make_environment(project: Path, folder: Path) -> Path:
    """Makes a virtual environment with the project's wheel, as in the container image.

    The packages of requirements.lock are not installed again: a .pth file adds the site-packages of
    the environment that runs the tests. Python ignores .pth files in a directory that a .pth file
    adds, so an editable installation of the project in that environment is not visible.

    Returns:
      The `bin` directory of the environment.
    """
    environment = folder / "environment"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", environment], check=True)
    (site,) = environment.glob("lib/python*/site-packages")
    with zipfile.ZipFile(build_wheel(project, folder)) as wheel:
        wheel.extractall(site)
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return environment / "bin"
