"""Prints lines that the user must see during a run."""

import logging

from common.text import make_printable

logger = logging.getLogger(__name__)


def print_notice(text: str) -> None:
    """Shows the line `text` to the user, and writes it to the log of the run.

    The function logs the line with the logger of this module, to which the display of a run
    (`pipeline.report.console`) adds a handler that prints the line. Early
    in a run, and in a container, the logger has no handler of a display, and prints the line on
    stderr.
    """
    logger.warning("%s", make_printable(text))
