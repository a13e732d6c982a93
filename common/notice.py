"""Prints lines that the user must see during a run; any module may use it."""

import logging

from common.text import make_printable

logger = logging.getLogger(__name__)


def notice(text: str) -> None:
    """Prints `text`, one line, on the console of a run and in its log.

    The console listens to the logger of this module. Before the console exists, the line goes to
    stderr; in a container, it goes to the container's log.
    """
    logger.warning("%s", make_printable(text))
