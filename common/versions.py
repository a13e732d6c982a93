"""Finds the installed versions of the libraries that a program imports."""

import importlib.metadata
import sys
from collections.abc import Iterable

# The names of distributions that differ from the name of their top-level package.
_NAMES = {"PIL": "pillow", "sklearn": "scikit-learn"}
# Distributions whose results depend on other distributions.
_WITH = {"scikit-learn": ("scipy",)}
# Packages that do not change results: they parse flags, log, and serialise messages.
_WITHOUT_NUMBERS = {"absl", "google"}


def installed_versions(packages: Iterable[str]) -> dict[str, str]:
    """Returns the versions of the distributions of top-level packages, without importing them.

    Args:
      packages: names of packages as in import statements. The standard library, and packages that
        do not change results, are left out.

    Returns:
      The versions by the name of the distribution; `"none"` for one that is not installed.
    """
    third_party = set(packages) - set(sys.stdlib_module_names) - _WITHOUT_NUMBERS
    names = {distribution for package in third_party for distribution in _distributions(package)}
    return {name: _version(name) or "none" for name in sorted(names)}


def _distributions(package: str) -> list[str]:
    name = _NAMES.get(package, package.replace("_", "-"))
    if _version(name) is None:
        # Search the files of all distributions, which takes most of a second. Some builds of
        # TensorFlow, for example, have a distribution of another name.
        return importlib.metadata.packages_distributions().get(package, [name])
    return [name, *_WITH.get(name, ())]


def _version(distribution: str) -> str | None:
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return None
