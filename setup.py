"""What is packaged.

Beam's ``--setup_file`` and a container image install the same code with this file. It declares no
dependencies: they stand in ``requirements.lock``, because pip cannot satisfy TFX's own pins.
"""

from setuptools import find_packages, setup

PACKAGES = ("pipeline", "components", "trainer", "backbones", "common", "schemas")

setup(
    packages=find_packages(include=[f"{name}*" for name in PACKAGES]),
    py_modules=["pipeline_runner"],
    package_data={"schemas": ["*.pbtxt"], "trainer": ["imagenet_classes.txt"]},
)
