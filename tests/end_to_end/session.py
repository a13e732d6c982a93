"""Runs the pipeline several times in one process, and changes files in between.

    python session.py STEPS.json

Call this program in a copy of the project, because it changes files in the working directory.
STEPS.json contains a list of dictionaries, one for each run. The key `arguments` contains the
arguments of the command line. The other keys are optional, and change files before the run:

- edits: `[[file, old, new], …]`, replacements of text.
- copies: `[[source, target], …]`, files to copy.
- exchanges: `[[file, other file], …]`, pairs of files whose names are exchanged.
- removals: `[path, …]`, files and directories to remove.
- damages: a pattern. The program damages the newest file that matches the pattern.

After each run, the program prints a line of JSON: the exit status, the nodes that were not taken
from the cache, the path of the pushed model, and whether the model was compared with the champion.
The program imports TFX only once, because this import takes many seconds. Before each run, the
program imports the project's own modules again, because the edits change these modules.
"""

import contextlib
import glob
import importlib.util
import io
import json
import os
import shutil
import sys
from pathlib import Path

from common.fingerprint import FIRST_PARTY

OWN = {"pipeline_runner", *FIRST_PARTY}


def edit(file: str, old: str, new: str) -> None:
    path = Path(file)
    text = path.read_text()
    assert text.count(old) == 1, f"{file}: {text.count(old)} times {old!r}"
    path.write_text(text.replace(old, new))
    # Python compiles a module again only if the size of its file or the modification time, in whole
    # seconds, has changed. An edit may leave size and time unchanged, so `edit` removes the
    # compiled file.
    Path(importlib.util.cache_from_source(file)).unlink(missing_ok=True)


def damage(pattern: str) -> None:
    """Flips a bit in the middle of the newest file that matches `pattern`."""
    path = max(map(Path, glob.glob(pattern)), key=lambda path: path.stat().st_mtime_ns)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(bytes(content))


def run(arguments: list[str]) -> dict:
    for name in [name for name in sys.modules if name.split(".")[0] in OWN]:
        del sys.modules[name]
    import pipeline_runner

    assert Path(pipeline_runner.__file__).parent == Path.cwd()
    read, write = os.pipe()
    saved = os.dup(1)
    os.dup2(write, 1)
    os.close(write)
    with contextlib.redirect_stdout(io.StringIO()):
        status = pipeline_runner.main(arguments)
    os.dup2(saved, 1)
    os.close(saved)
    with os.fdopen(read) as file:
        lines = file.read().splitlines()
    log = Path(next(line.split()[1] for line in lines if line.startswith("  log ")))
    return {
        "status": status,
        "ran": sorted(line.split(":")[0] for line in lines if ": done in " in line),
        "pushed": next((x.split(": ")[1] for x in lines if x.startswith("pushed to: ")), None),
        "notices": [line for line in lines if line.endswith(" runs again")],
        "accuracy": next((x for x in lines if x.startswith("test accuracy: ")), None),
        "compared": "champion: accuracy " in log.read_text(),
    }


if __name__ == "__main__":
    sys.path.insert(0, os.getcwd())
    for step in json.loads(Path(sys.argv[1]).read_text()):
        for change in step.get("edits", ()):
            edit(*change)
        for source, target in step.get("copies", ()):
            Path(target).write_bytes(Path(source).read_bytes())
        for one, other in step.get("exchanges", ()):
            Path(one).rename(f"{one}.aside")
            Path(other).rename(one)
            Path(f"{one}.aside").rename(other)
        for path in map(Path, step.get("removals", ())):
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        if "damages" in step:
            damage(step["damages"])
        print(json.dumps(run(step["arguments"])), flush=True)
