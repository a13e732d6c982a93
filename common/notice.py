"""Lines that a person must see during a run, said from anywhere."""

import logging

from common.text import make_printable

logger = logging.getLogger(__name__)


def notice(text: str) -> None:
    """Says `text`, one line, on the console of a run and in its log.

    The console listens to the logger of this module. Before there is a console, the line goes to
    stderr, and in a container to its log.
    """
    logger.warning("%s", make_printable(text))
