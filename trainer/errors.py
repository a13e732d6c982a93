"""The one kind of exception that is meant for the person at the keyboard."""


class InputError(Exception):
    """Something given from outside (a flag, a file, a dataset, a model) cannot be used.

    Its message is one or two lines: what was found, what was expected, what to do next. It is
    printed as it is, without a traceback.
    """
