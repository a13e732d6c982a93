"""Lists the packages of this project.

Beam's ``--setup_file`` and the container image install the project with this file. Dependencies are
not declared here but in ``requirements.lock``, because pip cannot satisfy TFX's own pins.
"""

from setuptools import find_packages, setup

PACKAGES = ("pipeline", "components", "trainer", "backbones", "common", "schemas")

setup(
    packages=find_packages(include=[f"{name}*" for name in PACKAGES]),
    py_modules=["pipeline_runner"],
    package_data={
        "schemas": ["*.pbtxt"],
        "trainer": ["imagenet_classes.txt"],
        "components.report": ["templates/*"],
    },
)
