"""Edits the project several times, and prints the fingerprints of the nodes' code each time.

    python code_process.py < STEPS.json

Call this program in a copy of the project, because it edits files in the working directory.
STEPS.json contains a list of steps. A step is
`{"source": {…}, "shapes": […], "edits": [[file, old, new], …], "files": {name: text}}`:

- source: the source of the images.
- shapes: the shapes of the backbone's variables, all of which are named `Variable`, as in the
  models of the TF-Hub collection.
- edits: replacements of text in files of the project.
- files: new files.

In each step, the program edits the files, prints the fingerprints of the nodes' code as a line of
JSON, and undoes the edits.
"""

import dataclasses
import importlib
import json
import os
import sys
from pathlib import Path

HOLDING_DATA = ("backbones", "components")


def hash_code(source, shapes):
    # These packages are imported again, because `main` may have edited their files.
    # `common.fingerprint` stays loaded, because it caches parsed modules, by their content.
    for name in [n for n in sys.modules if n.split(".")[0] in ("pipeline", *HOLDING_DATA)]:
        del sys.modules[name]
    importlib.invalidate_caches()
    from backbones.layout import find_layout
    from pipeline.code import hash_nodes

    layout = find_layout([("Variable", tuple(shape)) for shape in shapes])
    return dataclasses.asdict(hash_nodes(source, repr(layout)))


def apply_edit(file, old, new):
    text = Path(file).read_text()
    assert text.count(old) == 1, f"{file}: {text.count(old)} times {old!r}"
    return text.replace(old, new)


def main():
    for step in json.load(sys.stdin):
        files = {file: apply_edit(file, old, new) for file, old, new in step.get("edits", ())}
        files |= step.get("files", {})
        before = {name: Path(name).read_text() if Path(name).exists() else None for name in files}
        for name, text in files.items():
            Path(name).parent.mkdir(exist_ok=True)
            Path(name).write_text(text)
        print(json.dumps(hash_code(step["source"], step["shapes"])), flush=True)
        for name, text in before.items():
            if text is None:
                Path(name).unlink()
                Path(name).parent.rmdir()
            else:
                Path(name).write_text(text)


if __name__ == "__main__":
    # If Python wrote .pyc files, it would use an outdated .pyc file after an edit that changes
    # neither the size of the module nor its mtime in whole seconds.
    sys.dont_write_bytecode = True
    sys.path.insert(0, os.getcwd())
    main()
