"""Fingerprints of the code and data that a node uses in addition to its input artifacts.

For TFX, the import path of a function, or a path to data, a backbone or a schema, is only a string;
TFX itself hashes only module files. So every node has an execution property with the fingerprint of
such code or data, and runs again when the fingerprint changes.
"""

import ast
import dataclasses
import functools
import hashlib
import importlib.util
import os
from collections.abc import Collection, Iterator, Mapping
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path

from common.content_index import hash_file
from common.versions import installed_versions
from common.wording import remove_wording

FIRST_PARTY = ("pipeline", "components", "trainer", "backbones", "common", "schemas")


# TensorFlow writes `fingerprint.pb` with every SavedModel. The file contains a random id, and
# values that are computed from the content of the other files.
_EXPORT_ID = "fingerprint.pb"


def hash_directory(directory: str | Path) -> str:
    """Returns the SHA-256 of names and contents of the files below `directory`, 64 hex digits.

    TensorFlow's random id of an export is left out, so SavedModels that two machines convert from
    the same checkpoint have the same SHA-256.
    """
    root = Path(directory)
    digest = hashlib.sha256()
    files = (
        Path(folder, name)
        for folder, _, names in os.walk(root, followlinks=True)
        for name in names
        if name != _EXPORT_ID
    )
    for path in sorted(files):
        digest.update(f"{path.relative_to(root).as_posix()}\0{hash_file(path)}\n".encode())
    return digest.hexdigest()


def hash_bytes(content: bytes) -> str:
    """Returns the SHA-256 of `content`, 64 hex digits."""
    return hashlib.sha256(content).hexdigest()


def hash_code(
    *modules: str, data: Mapping[str, str] | None = None, without: Collection[str] = ()
) -> str:
    """Returns the SHA-256 of the code of `modules` and of the project's modules that they import.

    The hash covers the syntax trees without wording (see `common.wording`), including the
    `__init__` of packages, and the installed versions of imported libraries.

    Args:
      modules: import paths, such as "trainer.train".
      data: import paths of modules that list entries, such as a catalogue. Each is mapped to a text
        with the values that the run uses, which is hashed instead of the module.
      without: top-level packages of libraries whose versions are left out.
    """
    data = dict(data or {})
    sources = parse_modules(*modules, without=data)
    libraries = {name for source in sources.values() for name in source.libraries} - set(without)
    parts = [
        *sorted(data.items()),
        *sorted((name, source.tree) for name, source in sources.items()),
        *installed_versions(libraries).items(),
    ]
    return hash_bytes("".join(f"{name}\0{text}\n" for name, text in parts).encode())


def hash_libraries(*packages: str) -> str:
    """Returns the SHA-256 of the installed versions of top-level packages, 64 hex digits."""
    return hash_bytes(repr(installed_versions(packages)).encode())


@dataclasses.dataclass(frozen=True)
class Source:
    """The parsed source of a module.

    Attributes:
      tree: the syntax tree without wording.
      first_party: the names that the module imports from this project: modules, functions and
        classes.
      libraries: the top-level packages of libraries that the module imports.
    """

    tree: str
    first_party: frozenset[str]
    libraries: frozenset[str]


def parse_modules(*modules: str, without: Collection[str] = ()) -> dict[str, Source]:
    """Parses `modules` and every module of this project that they import; returns them by name.

    The `__init__` of each package is included, since importing a module runs it. The function only
    reads the files; it imports no module.

    Args:
      modules: import paths.
      without: modules that are left out, together with the modules that only they import.
    """
    sources: dict[str, Source] = {}
    waiting = list(modules)
    while waiting:
        module = waiting.pop()
        if module not in sources and module not in without:
            sources[module] = _parse(*_read_module(module))
            waiting.extend(name for name in sources[module].first_party if _find(name))
            waiting.extend([module.rpartition(".")[0]] if "." in module else [])
    return sources


@functools.lru_cache(maxsize=1024)
def _parse(package: str, content: bytes) -> Source:
    tree = ast.parse(content)
    imported: set[str] = set()
    for node in _runtime_nodes(tree):
        if isinstance(node, ast.Import):
            imported.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            name = "." * node.level + (node.module or "")
            module = importlib.util.resolve_name(name, package)
            imported.add(module)
            imported.update(f"{module}.{alias.name}" for alias in node.names)
    remove_wording(tree)
    first_party = {name for name in imported if name.split(".")[0] in FIRST_PARTY}
    libraries = {name.split(".")[0] for name in imported - first_party}
    return Source(ast.dump(tree), frozenset(first_party), frozenset(libraries))


def _runtime_nodes(tree: ast.AST) -> Iterator[ast.AST]:
    """Yields all nodes below `tree`, except those below `if TYPE_CHECKING`."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and getattr(node.test, "id", "") == "TYPE_CHECKING":
            continue
        yield node
        yield from _runtime_nodes(node)


def _read_module(module: str) -> tuple[str, bytes]:
    """Returns the package of `module` (the module itself if it is a package), and the content of
    the module's file.
    """
    spec = _find(module)
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError(
            f"{module}: no such module, so the fingerprint of its code cannot be computed"
        )
    return spec.parent or "", Path(spec.origin).read_bytes()


def _find(module: str) -> ModuleSpec | None:
    """Finds the spec of a module.

    Unlike `importlib.util.find_spec`, the function does not import the parent packages.
    """
    top, *rest = module.split(".")
    spec = importlib.util.find_spec(top)
    for index in range(len(rest)):
        if spec is None or spec.submodule_search_locations is None:
            return None
        name = ".".join([top, *rest[: index + 1]])
        spec = PathFinder.find_spec(name, spec.submodule_search_locations)
    return spec
