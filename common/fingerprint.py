"""Computes fingerprints of the code and data that a node uses besides its input artifacts.

TFX takes the outputs of a node from its cache if the node's execution properties and inputs are the
same as in an earlier run. The execution properties contain the import path of a function, and the
path of a dataset, a backbone or a schema, but neither the code of the function nor the data at the
path. Of all files, TFX hashes only the one in the execution property `module_file`. Each node of
this project has an execution property with a fingerprint of its code and data, so that TFX runs the
node again if its code or data change.
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


# TensorFlow writes a file `fingerprint.pb` with every SavedModel. `fingerprint.pb` contains a
# random ID, so two exports of the same model have different `fingerprint.pb` files.
_EXPORT_ID = "fingerprint.pb"


def hash_directory(directory: str | Path) -> str:
    """Returns the SHA-256 (64 hex digits) of names and contents of all files below `directory`.

    The function skips `fingerprint.pb`, which contains a random ID, so that SavedModels that were
    converted from the same checkpoint have the same SHA-256.
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
    """Returns the SHA-256 of the code of `modules` and of all project modules that they import.

    The hash covers the syntax trees of the modules, the `__init__` of their packages, and the
    installed versions of the imported libraries. The hash does not depend on docstrings and
    messages (see `common.wording`).

    Args:
      modules: import paths, such as "trainer.train".
      data: maps the import path of a module to a text that is hashed instead of the module's code.
        For example, the hash for Trainer contains only the layout of the backbone instead of the
        module with the model catalogue, so that other changes to the catalogue do not change the
        hash.
      without: top-level packages of libraries whose versions do not affect the hash.
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
    """Returns the SHA-256 (64 hex digits) of the installed versions of libraries."""
    return hash_bytes(repr(installed_versions(packages)).encode())


@dataclasses.dataclass(frozen=True)
class Source:
    """The parsed source code of a module.

    Attributes:
      tree: the syntax tree without the strings that only people read (see `common.wording`).
      first_party: the names of the modules, functions and classes that the module imports from this
        project.
      libraries: the top-level packages of libraries that the module imports.
    """

    tree: str
    first_party: frozenset[str]
    libraries: frozenset[str]


def parse_modules(*modules: str, without: Collection[str] = ()) -> dict[str, Source]:
    """Parses `modules` and all project modules that they import, directly or indirectly.

    The function also parses the `__init__` of each package that contains a parsed module, because
    Python runs the `__init__` when the module is imported. The function only reads the source files
    of the modules; it does not import the modules.

    Returns a dictionary from the import path of each module to its parsed source.

    Args:
      modules: import paths.
      without: modules that the function does not parse. Modules that are imported only by modules
        in `without` are not parsed either.
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
    """Yields all nodes below `tree` in the syntax tree, except those inside `if TYPE_CHECKING`."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and getattr(node.test, "id", "") == "TYPE_CHECKING":
            continue
        yield node
        yield from _runtime_nodes(node)


def _read_module(module: str) -> tuple[str, bytes]:
    """Returns the name of the package that contains `module`, and the content of the module's file.

    If `module` is itself a package, the returned name is the name of `module`.
    """
    spec = _find(module)
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError(
            f"{module}: no such module, so the fingerprint of its code cannot be computed"
        )
    return spec.parent or "", Path(spec.origin).read_bytes()


def _find(module: str) -> ModuleSpec | None:
    """Finds the spec of a module, which contains the path of its source file.

    Unlike `importlib.util.find_spec`, this function does not import the parent packages.
    """
    top, *rest = module.split(".")
    spec = importlib.util.find_spec(top)
    for index in range(len(rest)):
        if spec is None or spec.submodule_search_locations is None:
            return None
        name = ".".join([top, *rest[: index + 1]])
        spec = PathFinder.find_spec(name, spec.submodule_search_locations)
    return spec
