"""Fingerprints of what a node reads beyond its input artifacts.

TFX hashes module files only. A function given by import path, or a path to data, to a backbone or
to a schema, is a mere string to it. Every node therefore carries the fingerprint of what stands
behind such strings as an execution property, so that its cache is right.
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

from common.versions import installed_versions
from common.wording import remove_wording

FIRST_PARTY = ("pipeline", "components", "trainer", "backbones", "common", "schemas")


# TensorFlow writes it with every SavedModel; it has a random id, the rest follows from the content.
_EXPORT_ID = "fingerprint.pb"


def hash_directory(directory: str | Path) -> str:
    """SHA-256 over the names and contents of all files below `directory`, as 64 hex digits.

    So a SavedModel that is converted from the same checkpoint elsewhere is the same.
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
        with path.open("rb") as file:
            content = hashlib.file_digest(file, "sha256").hexdigest()
        digest.update(f"{path.relative_to(root).as_posix()}\0{content}\n".encode())
    return digest.hexdigest()


def hash_bytes(content: bytes) -> str:
    """SHA-256 of `content`, as 64 hex digits."""
    return hashlib.sha256(content).hexdigest()


def hash_code(
    *modules: str, data: Mapping[str, str] | None = None, apart: Collection[str] = ()
) -> str:
    """SHA-256 over the code of `modules` and of every module of this project that they import.

    What counts is the syntax tree without wording (see `common.wording`), of a package's
    `__init__` as of any other module, and which versions of the imported libraries are installed.

    Args:
      modules: import paths, such as "trainer.train".
      data: import paths of modules that list entries, such as a catalogue, each with a text that
        says which values of them the run uses. The text counts in place of the module.
      apart: top-level packages of libraries whose versions do not count.
    """
    data = dict(data or {})
    sources = modules_of(*modules, apart=data)
    libraries = {name for source in sources.values() for name in source.libraries} - set(apart)
    parts = [
        *sorted(data.items()),
        *sorted((name, source.tree) for name, source in sources.items()),
        *installed_versions(libraries).items(),
    ]
    return hash_bytes("".join(f"{name}\0{text}\n" for name, text in parts).encode())


def hash_libraries(*packages: str) -> str:
    """SHA-256 over the installed versions of top-level packages, as 64 hex digits."""
    return hash_bytes(repr(installed_versions(packages)).encode())


@dataclasses.dataclass(frozen=True)
class Source:
    """What is read off the source of a module.

    Attributes:
      tree: its syntax tree without wording.
      first_party: modules of this project that it may import; names that turn out to be functions
        or classes are among them.
      libraries: top-level packages of others that it imports.
    """

    tree: str
    first_party: frozenset[str]
    libraries: frozenset[str]


def modules_of(*modules: str, apart: Collection[str] = ()) -> dict[str, Source]:
    """`modules` and every module of this project that they import, by name.

    Importing a module runs its packages' `__init__`, so these are among them. All are found and
    parsed, but not imported.

    Args:
      modules: import paths.
      apart: modules that are left out, with all that only they import.
    """
    sources: dict[str, Source] = {}
    waiting = list(modules)
    while waiting:
        module = waiting.pop()
        if module not in sources and module not in apart:
            sources[module] = _read(*_source(module))
            waiting.extend(name for name in sources[module].first_party if _find(name))
            waiting.extend([module.rpartition(".")[0]] if "." in module else [])
    return sources


@functools.lru_cache(maxsize=1024)
def _read(package: str, content: bytes) -> Source:
    tree = ast.parse(content)
    imported: set[str] = set()
    for node in _running(tree):
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


def _running(tree: ast.AST) -> Iterator[ast.AST]:
    """All nodes but those that are only for a type checker."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and getattr(node.test, "id", "") == "TYPE_CHECKING":
            continue
        yield node
        yield from _running(node)


def _source(module: str) -> tuple[str, bytes]:
    """The package that `module` is in, or that it is, and the content of its file."""
    spec = _find(module)
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError(f"{module}: no such module to take a fingerprint of")
    return spec.parent or "", Path(spec.origin).read_bytes()


def _find(module: str) -> ModuleSpec | None:
    """Where `module` is. `importlib.util.find_spec` alone would import its parents."""
    top, *rest = module.split(".")
    spec = importlib.util.find_spec(top)
    for index in range(len(rest)):
        if spec is None or spec.submodule_search_locations is None:
            return None
        name = ".".join([top, *rest[: index + 1]])
        spec = PathFinder.find_spec(name, spec.submodule_search_locations)
    return spec
