"""The one kind of exception that is meant for the person at the keyboard."""


class InputError(Exception):
    """Something given from outside (a flag, a file, a dataset, a model) cannot be used.

    Its message is one or two lines: what was found, what was expected, what to do next. It is
    printed as it is, without a traceback.
    """


def one_line(error: Exception) -> str:
    """What `error` says, in one line of at most 200 characters, for use in such a message."""
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= 200 else f"{text[:199]}…"
