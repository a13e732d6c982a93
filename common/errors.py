"""Exceptions for errors that a user can correct, and helpers for their messages."""

import difflib
from collections.abc import Iterable

from common.text import make_printable


class InputError(Exception):
    """An input of the user (a flag, a file, a dataset, a model) cannot be used.

    The message is one line that states the value found, the value expected, and what to do next.
    This project's programs print an InputError without a traceback. Callers may put names, paths
    and URLs into the message unchanged: this class removes secrets and escapes control characters.
    """

    def __init__(self, message: object) -> None:
        super().__init__(make_printable(str(message)))


class RefusedError(InputError):
    """The data or the model did not pass a check. A RefusedError ends the run with exit status 3.

    The message names the check, the measured value and the limit.
    """


class UnreachableError(OSError):
    """A server does not answer. The message has the same form as the message of an `InputError`."""


def did_you_mean(given: str, known: Iterable[str], *, cutoff: float = 0.6) -> str:
    """Returns "did you mean …?" with the most similar known value; "" if no value is similar.

    Args:
      given: the value that the user gave.
      known: the allowed values.
      cutoff: how similar a known value must be to `given`, from 0 (any value is similar enough) to
        1 (only an equal value is).
    """
    close = difflib.get_close_matches(given, list(known), n=1, cutoff=cutoff)
    return f"did you mean {close[0]}?" if close else ""


def one_line(error: Exception) -> str:
    """Returns the message of `error` in one line of at most 200 characters."""
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= 200 else f"{text[:199]}…"
