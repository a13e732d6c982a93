"""The exception for errors in the user's input, and functions for its messages."""

import difflib
from collections.abc import Iterable

from common.text import make_printable


class InputError(Exception):
    """Something given from outside (a flag, a file, a dataset, a model) cannot be used.

    Its message is one line: what was found, what was expected, what to do next. It is printed
    without a traceback. Names, paths and URLs can stand in it as they are: secrets are left out of
    the message, and control characters are escaped, whoever prints it.
    """

    def __init__(self, message: object) -> None:
        super().__init__(make_printable(str(message)))


class RefusedError(InputError):
    """A check of the data or of the model said no, and ends the run: its exit status is 3.

    The message names the check, the measured value and the limit.
    """


class UnreachableError(OSError):
    """Something on the network does not answer. Its message is as that of an `InputError`."""


def did_you_mean(given: str, known: Iterable[str], *, cutoff: float = 0.6) -> str:
    """Returns a suggestion for the end of a message, "did you mean …?"; empty if none is similar.

    Args:
      given: the value found.
      known: the allowed values.
      cutoff: the required similarity, from 0 to 1 (equal).
    """
    close = difflib.get_close_matches(given, list(known), n=1, cutoff=cutoff)
    return f"did you mean {close[0]}?" if close else ""


def one_line(error: Exception) -> str:
    """Returns the message of `error` in one line of at most 200 characters."""
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= 200 else f"{text[:199]}…"
