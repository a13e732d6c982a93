"""Commands about pipeline roots."""

import argparse
from pathlib import Path

from backbones.resolve import cache_dir
from common.buckets import check_scheme
from common.errors import InputError
from pipeline.clean import clean
from pipeline.command_line.exit_status import DONE

_COMPARISONS = Path("runs", "comparisons")


def clean_caches(parsed: argparse.Namespace) -> int:
    """Empties the model cache, and removes checkpoints in a given pipeline root or in `./runs`."""
    root = parsed.pipeline_root
    if root and "://" in root:
        raise InputError(
            f"--pipeline-root {root}: --clean-cache cleans only directories on this machine; "
            "expected a path"
        )
    roots = [Path(root).expanduser()] if root else sorted(Path("runs").resolve().glob("*"))
    lines = list(clean(cache_dir(), roots)) or ["nothing to remove"]
    print("\n".join(lines))
    return DONE


def show_history(parsed: argparse.Namespace) -> int:
    """Prints the runs of pipelines."""
    # The module is imported here and not at the top of the file, because it imports NumPy, which
    # most commands do not need.
    from pipeline.command_line.history import list_history

    print(list_history(find_roots(parsed)))
    return DONE


def compare_runs(parsed: argparse.Namespace) -> int:
    """Prints a comparison of two runs, and writes the comparison as an HTML page."""
    # The module is imported here and not at the top of the file, because it imports NumPy, which
    # most commands do not need.
    from pipeline.command_line.compare import compare

    print(compare(parsed.compare, find_roots(parsed), _COMPARISONS.resolve()))
    return DONE


def find_roots(parsed: argparse.Namespace) -> list[str]:
    """Returns the pipeline roots that `--pipeline-root` or `--name` selects; without these flags,
    all roots below `./runs`.
    """
    root = parsed.pipeline_root
    if root and "://" in root:
        check_scheme("--pipeline-root", root, ("gs",), "a path, or gs://BUCKET/FOLDER")
        return [root]
    if root:
        return [str(Path(root).expanduser().resolve())]
    return sorted(map(str, Path("runs").resolve().glob(parsed.name or "*")))
