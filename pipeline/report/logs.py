"""Where log lines go: to a file, and to the screen only if asked. Imports no TensorFlow."""

import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

_FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"


@contextmanager
def log_to_file(path: Path, *, verbose: bool) -> Iterator[tuple[TextIO, TextIO]]:
    """Sends everything that libraries print or log to the file `path`.

    TensorFlow's C++ code writes to file descriptor 2 rather than to `sys.stderr`, and it does so as
    early as at import; so the descriptors themselves are redirected.

    Args:
      path: the log file; it is appended to.
      verbose: log lines go to the screen as well, those of C++ code there alone.

    Yields:
      The screen, as streams for stdout and stderr.
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
        handler.setFormatter(logging.Formatter(_FORMAT))
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
