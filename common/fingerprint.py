"""Fingerprints of what a node reads beyond its input artifacts.

TFX hashes module files only. A function given by import path, or a path to data, to a backbone or
to a schema, is a mere string to it. Every node therefore carries the fingerprint of what stands
behind such strings as an execution property, so that its cache is right.
"""

import ast
import hashlib
import importlib.util
import os
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path

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


def hash_code(*modules: str) -> str:
    """SHA-256 over the code of `modules` and of every module of this project that they import.

    What counts is the syntax tree without docstrings: comments, formatting and docstrings do not
    change the fingerprint, any change of code does.

    Args:
      modules: import paths, such as "trainer.train".
    """
    trees = modules_of(*modules)
    return hash_bytes("".join(f"{name}\0{tree}\n" for name, tree in sorted(trees.items())).encode())


def modules_of(*modules: str) -> dict[str, str]:
    """`modules` and every module of this project that they import, each with its syntax tree.

    They are found and parsed, but not imported.
    """
    trees: dict[str, str] = {}
    waiting = list(modules)
    while waiting:
        module = waiting.pop()
        if module not in trees:
            tree = ast.parse(_source(module))
            _remove_docstrings(tree)
            trees[module] = ast.dump(tree)
            waiting.extend(_imported(tree))
    return trees


def _remove_docstrings(tree: ast.AST) -> None:
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(
            node
        ):
            node.body = node.body[1:]


def _source(module: str) -> bytes:
    spec = _find(module)
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError(f"{module}: no such module to take a fingerprint of")
    return Path(spec.origin).read_bytes()


def _imported(tree: ast.AST) -> set[str]:
    """The modules of this project that `tree` imports, at its top or inside a function."""
    candidates: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            candidates.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            candidates.add(node.module)
            # A name is a module only if it can be found as one.
            candidates.update(f"{node.module}.{alias.name}" for alias in node.names)
    return {name for name in candidates if name.split(".")[0] in FIRST_PARTY and _find(name)}


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
