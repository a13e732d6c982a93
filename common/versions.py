"""Finds the installed versions of the libraries that a program imports."""

import importlib.metadata
import sys
from collections.abc import Iterable

# Maps a top-level package to its distribution, if their names differ.
_DISTRIBUTIONS = {
    "PIL": "pillow",
    "pipeline_runner": "vit-pipeline",
    "sklearn": "scikit-learn",
    "tensorflow_serving": "tensorflow-serving-api",
    "vl_convert": "vl-convert-python",
    "yaml": "PyYAML",
}
# Maps a distribution to the dependencies whose versions can change the results of the distribution.
_DEPENDENCIES = {"scikit-learn": ("scipy",)}
# Packages whose versions cannot change a result, because the packages only handle command-line
# flags, logging and protocol buffers.
_WITHOUT_NUMBERS = {"absl", "google"}


def installed_versions(packages: Iterable[str]) -> dict[str, str]:
    """Returns the versions of the distributions that contain the top-level packages `packages`.

    Args:
      packages: names as in import statements. The function skips the modules of the standard
        library and the packages in `_WITHOUT_NUMBERS`.

    Returns:
      A dictionary from the name of each distribution to its version, or to "none" if it is not
      installed. The function finds the versions without importing the packages.
    """
    third_party = set(packages) - set(sys.stdlib_module_names) - _WITHOUT_NUMBERS
    names = {distribution for package in third_party for distribution in _distributions(package)}
    return {name: _version(name) or "none" for name in sorted(names)}


def _distributions(package: str) -> list[str]:
    name = _DISTRIBUTIONS.get(package, package.replace("_", "-"))
    if _version(name) is None:
        # No distribution has the name `name`, so search all distributions for the package. For
        # example, a special build of TensorFlow may be a distribution with a name other than
        # `tensorflow`. Search only if necessary, because a search takes almost a second.
        return importlib.metadata.packages_distributions().get(package, [name])
    return [name, *_DEPENDENCIES.get(name, ())]


def _version(distribution: str) -> str | None:
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return None
