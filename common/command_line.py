"""Helpers for the command-line programs of this project.

This module does not import TensorFlow, which takes seconds to import.
"""

import argparse
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn, TextIO

from common.text import make_printable

BAD_USAGE = 2  # the exit status that argparse uses for invalid arguments


class Parser(argparse.ArgumentParser):
    """A parser that prints an error as one line on stderr, without usage, and exits with 2."""

    def error(self, message: str) -> NoReturn:
        self.exit(BAD_USAGE, f"{self.prog}: {make_printable(message)}; see --help\n")

    def complain(self, message: object) -> None:
        """Prints a message on stderr, after the name of the command."""
        print(f"{self.prog}: {make_printable(str(message))}", file=sys.stderr)


def positive(text: str) -> int:
    """Parses a command-line argument as a whole number of at least 1."""
    if not (text.isdecimal() and int(text)):
        raise argparse.ArgumentTypeError(f"found {text!r}; expected a whole number of at least 1")
    return int(text)


@contextmanager
def silence_stderr() -> Iterator[TextIO]:
    """A context that discards everything that is written to stderr.

    The context yields a stream with which the caller can still write to the original stderr. The
    context does not catch exceptions, so the caller can print them after the context.

    Use this context for the first import of TensorFlow, because TensorFlow writes log lines to
    stderr while it is imported. The environment variable TF_CPP_MIN_LOG_LEVEL, which the context
    sets, cannot suppress all log lines of the import, because TensorFlow's C++ code writes to file
    descriptor 2 before it reads the variable.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    sys.stderr.flush()
    saved = os.dup(2)
    try:
        with open(os.devnull, "w") as nowhere:
            os.dup2(nowhere.fileno(), 2)
        with os.fdopen(os.dup(saved), "w") as screen:
            yield screen
    finally:
        os.dup2(saved, 2)
        os.close(saved)
