"""Prints lines that the user must see during a run."""

import logging

from common.text import make_printable

logger = logging.getLogger(__name__)


def notice(text: str) -> None:
    """Prints the line `text` on the terminal and writes it to the log of the run.

    The function logs the line with the logger of this module, to which the display of a run
    (`pipeline.report.console`) listens. Before the display exists, and in a container, the line
    goes to stderr.
    """
    logger.warning("%s", make_printable(text))
