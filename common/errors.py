"""The one kind of exception that is meant for the person at the keyboard."""

import difflib
from collections.abc import Iterable


class InputError(Exception):
    """Something given from outside (a flag, a file, a dataset, a model) cannot be used.

    Its message is one or two lines: what was found, what was expected, what to do next. It is
    printed as it is, without a traceback.
    """


class UnreachableError(OSError):
    """Something on the network does not answer. Its message is as that of an `InputError`."""


def did_you_mean(given: str, known: Iterable[str], *, cutoff: float = 0.6) -> str:
    """The end of such a message: which of `known` was probably meant; empty where none is close.

    Args:
      given: what was found.
      known: what would have been right.
      cutoff: how alike they have to be, from 0 to 1, the same.
    """
    close = difflib.get_close_matches(given, list(known), n=1, cutoff=cutoff)
    return f"did you mean {close[0]}?" if close else ""


def one_line(error: Exception) -> str:
    """What `error` says, in one line of at most 200 characters, for use in such a message."""
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= 200 else f"{text[:199]}…"
