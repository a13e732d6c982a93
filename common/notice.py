"""Prints lines that the user must see during a run."""

import logging

from common.text import make_printable

logger = logging.getLogger(__name__)


def print_notice(text: str) -> None:
    """Shows the line `text` to the user, and writes it to the log of the run.

    The function logs the line with the logger of this module. During a run, the console
    (`pipeline.report.console`) adds a handler to the logger of this module, and this handler prints
    the line. Without the console's handler, as in a container or early in a run, the logger prints
    the line on stderr.
    """
    logger.warning("%s", make_printable(text))
