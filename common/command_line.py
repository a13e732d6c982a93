"""What the package's command lines share. Imports no TensorFlow."""

import argparse
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn, TextIO

from common.text import make_printable

BAD_USAGE = 2  # exit status, as argparse has it


class Parser(argparse.ArgumentParser):
    """Says what is wrong in one line on stderr, without the usage in front of it; exits with 2."""

    def error(self, message: str) -> NoReturn:
        self.exit(BAD_USAGE, f"{self.prog}: {make_printable(message)}; see --help\n")

    def complain(self, message: object) -> None:
        """One message on stderr, with the command's name in front of it."""
        print(f"{self.prog}: {make_printable(str(message))}", file=sys.stderr)


def positive(text: str) -> int:
    """An argument's whole number of at least 1."""
    if not (text.isdecimal() and int(text)):
        raise argparse.ArgumentTypeError(f"found {text!r}; expected a whole number of at least 1")
    return int(text)


@contextmanager
def silence_stderr() -> Iterator[TextIO]:
    """Drops what is written to stderr, but for what is written to the stream that it yields.

    What is raised can be printed afterwards.

    For the first use of TensorFlow: its C++ code writes to descriptor 2 at import already, before
    TF_CPP_MIN_LOG_LEVEL, which is set here too, is heeded.
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
