"""Which versions of the libraries that a program imports are installed."""

import importlib.metadata
import sys
from collections.abc import Iterable

# Top-level package -> distribution, where its name is another one.
_NAMES = {"PIL": "pillow", "sklearn": "scikit-learn"}
# Their own numbers come from these.
_WITH = {"scikit-learn": ("scipy",)}
# They parse flags, log, and frame messages: no number comes from them.
_WITHOUT_NUMBERS = {"absl", "google"}


def installed_versions(packages: Iterable[str]) -> dict[str, str]:
    """The versions of the distributions that these top-level packages come from.

    Args:
      packages: names as in import statements; those of the standard library, and those that no
        result depends on, are left out.

    Returns:
      By the name of the distribution; `"none"` where it is not installed. Nothing is imported.
    """
    third_party = set(packages) - set(sys.stdlib_module_names) - _WITHOUT_NUMBERS
    names = {distribution for package in third_party for distribution in _distributions(package)}
    return {name: _version(name) or "none" for name in sorted(names)}


def _distributions(package: str) -> list[str]:
    name = _NAMES.get(package, package.replace("_", "-"))
    if _version(name) is None:
        # By the files of all distributions, which takes most of a second: a build of TensorFlow,
        # say, whose distribution has a name of its own.
        return importlib.metadata.packages_distributions().get(package, [name])
    return [name, *_WITH.get(name, ())]


def _version(distribution: str) -> str | None:
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return None
