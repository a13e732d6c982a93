"""Finds the installed versions of the libraries that a program imports."""

import importlib.metadata
import sys
from collections.abc import Iterable

# Top-level package -> its distribution, if their names differ.
_DISTRIBUTIONS = {
    "PIL": "pillow",
    "pipeline_runner": "vit-pipeline",
    "sklearn": "scikit-learn",
    "tensorflow_serving": "tensorflow-serving-api",
    "vl_convert": "vl-convert-python",
    "yaml": "PyYAML",
}
# Name of a distribution -> other distributions on which its results depend.
_DEPENDENCIES = {"scikit-learn": ("scipy",)}
# Packages whose version is left out: they contain flags, logging and protocol buffers, and compute
# nothing.
_WITHOUT_NUMBERS = {"absl", "google"}


def installed_versions(packages: Iterable[str]) -> dict[str, str]:
    """Returns the versions of the distributions to which these top-level packages belong.

    Args:
      packages: names as in import statements. The standard library, and libraries that no result
        depends on, are left out.

    Returns:
      The versions by the name of the distribution; the text `"none"` if a distribution is not
      installed. No package is imported.
    """
    third_party = set(packages) - set(sys.stdlib_module_names) - _WITHOUT_NUMBERS
    names = {distribution for package in third_party for distribution in _distributions(package)}
    return {name: _version(name) or "none" for name in sorted(names)}


def _distributions(package: str) -> list[str]:
    name = _DISTRIBUTIONS.get(package, package.replace("_", "-"))
    if _version(name) is None:
        # The distribution has another name, as a special build of TensorFlow may have. Reading the
        # file lists of all distributions takes most of a second.
        return importlib.metadata.packages_distributions().get(package, [name])
    return [name, *_DEPENDENCIES.get(name, ())]


def _version(distribution: str) -> str | None:
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return None
