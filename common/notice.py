"""Prints lines that the user must see during a run."""

import logging

from common.text import make_printable

logger = logging.getLogger(__name__)


def print_notice(text: str) -> None:
    """Shows the line `text` to the user, and writes it to the log of the run.

    The function logs the line with the logger of this module. During a run, the console
    (`pipeline.report.console`) adds a handler to this logger, and the handler prints the line.
    Early in a run, before the console adds its handler, and in a container, where there is no
    console, the logger prints the line on stderr.
    """
    logger.warning("%s", make_printable(text))
