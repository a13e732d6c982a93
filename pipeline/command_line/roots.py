"""Commands about the pipeline roots of this machine."""

import argparse
from pathlib import Path

from backbones.resolve import cache_dir
from common.errors import InputError
from pipeline.clean import clean
from pipeline.command_line.exit_status import DONE


def clean_caches(parsed: argparse.Namespace) -> int:
    """Empties the cache of models and removes checkpoints, of `./runs` or of a given root."""
    lines = list(clean(cache_dir(), find_roots(parsed))) or ["nothing to remove"]
    print("\n".join(lines))
    return DONE


def show_history(parsed: argparse.Namespace) -> int:
    """Prints the runs of pipelines on this machine."""
    from pipeline.command_line.history import list_history  # imports NumPy

    print(list_history(find_roots(parsed)))
    return DONE


def find_roots(parsed: argparse.Namespace) -> list[Path]:
    """Returns the pipeline roots on this machine that the arguments name; all without arguments."""
    root = parsed.pipeline_root
    if root and "://" in root:
        action = "--history reads" if parsed.history else "--clean-cache cleans"
        raise InputError(
            f"--pipeline-root {root}: {action} places on this machine; expected a path"
        )
    if root:
        return [Path(root).expanduser()]
    return sorted(
        Path("runs").resolve().glob(parsed.name if parsed.history and parsed.name else "*")
    )
