"""Writes log lines to a file and, with `--verbose`, also to the screen.

This module does not import TensorFlow, which takes seconds to import.
"""

import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from common.text import make_printable

_FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"


class _Formatter(logging.Formatter):
    """Removes secrets from log lines and from tracebacks."""

    def format(self, record: logging.LogRecord) -> str:
        lines = super().format(record).split("\n")
        return "\n".join(map(make_printable, lines))


@contextmanager
def log_to_file(path: Path, *, verbose: bool) -> Iterator[tuple[TextIO, TextIO]]:
    """A context that redirects the output and the log lines of libraries to a file.

    The context redirects file descriptors 1 and 2, because TensorFlow's C++ code writes to
    descriptor 2 and not to `sys.stderr`. TensorFlow writes log lines even while it is being
    imported, so the context must begin before TensorFlow is imported.

    Args:
      path: the log file. If the log file exists, the context appends to it.
      verbose: whether log lines also go to the screen. If `verbose` is True, the context does not
        redirect file descriptors 1 and 2, so the log lines of C++ code appear on the screen, but
        not in the log file.

    Yields:
      Two text streams, which write to the original stdout and stderr in spite of the redirection.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    sys.stdout.flush()
    sys.stderr.flush()
    saved = os.dup(1), os.dup(2)
    screen = os.fdopen(os.dup(1), "w"), os.fdopen(os.dup(2), "w")
    handlers: list[logging.Handler] = [logging.FileHandler(path, encoding="utf-8")]
    if verbose:
        handlers.append(logging.StreamHandler(screen[1]))
    root = logging.getLogger()
    level = root.level
    for handler in handlers:
        handler.setLevel(logging.INFO)
        handler.setFormatter(_Formatter(_FORMAT))
        root.addHandler(handler)
    root.setLevel(logging.INFO)
    try:
        if not verbose:
            with path.open("a") as file:
                os.dup2(file.fileno(), 1)
                os.dup2(file.fileno(), 2)
        yield screen
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        for descriptor, original in zip((1, 2), saved, strict=True):
            os.dup2(original, descriptor)
            os.close(original)
        for stream in screen:
            stream.close()
        root.setLevel(level)
        for handler in handlers:
            root.removeHandler(handler)
            handler.close()
