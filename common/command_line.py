"""The common parts of this project's command lines. Imports no TensorFlow."""

import argparse
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn, TextIO

from common.text import make_printable

BAD_USAGE = 2  # the exit status of argparse


class Parser(argparse.ArgumentParser):
    """A parser that prints an error as one line on stderr, without usage text, and exits with 2."""

    def error(self, message: str) -> NoReturn:
        self.exit(BAD_USAGE, f"{self.prog}: {make_printable(message)}; see --help\n")

    def complain(self, message: object) -> None:
        """Prints a message on stderr, after the name of the command."""
        print(f"{self.prog}: {make_printable(str(message))}", file=sys.stderr)


def positive(text: str) -> int:
    """Parses an argument as a whole number of at least 1."""
    if not (text.isdecimal() and int(text)):
        raise argparse.ArgumentTypeError(f"found {text!r}; expected a whole number of at least 1")
    return int(text)


@contextmanager
def silence_stderr() -> Iterator[TextIO]:
    """A context in which output to stderr is dropped, except for output to the yielded stream.

    The context is meant for the first import of TensorFlow, whose C++ code writes to descriptor 2
    before it reads TF_CPP_MIN_LOG_LEVEL (which is set here too). The context does not catch
    exceptions, so the caller can print them.
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
