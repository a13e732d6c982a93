"""Runs a job, and redirects the output of libraries to a log file."""

import logging
import time
from collections.abc import Callable
from pathlib import Path

from common.errors import InputError, RefusedError
from pipeline.command_line.exit_status import FAILED, REFUSED
from pipeline.report.console import Console
from pipeline.report.logs import log_to_file


def new_log(directory: Path) -> Path:
    """Returns the path of a new file for the log lines of this command."""
    return directory / "logs" / time.strftime("%Y-%m-%dT%H-%M-%S.log")


def run_with_log(log: Path, job: Callable[[Console], int], *, verbose: bool) -> int:
    """Runs `job`, and redirects the output of libraries to the file `log`.

    Returns:
      The exit status of `job`; REFUSED if `job` raises RefusedError, and FAILED if `job` raises
      another exception.
    """
    with log_to_file(log, verbose=verbose) as screen:
        console = Console(*screen)
        try:
            with console.live():
                return job(console)
        except RefusedError as error:
            logging.getLogger(__name__).info("verdict: %s", error, exc_info=True)
            console.error(f"verdict: {error}")
            console.line("pushed to: nothing was pushed")
            return REFUSED
        except InputError as error:
            logging.getLogger(__name__).info("The pipeline failed.", exc_info=True)
            console.error(f"pipeline_runner.py: {error}")
            return FAILED
        except Exception as error:
            # With --verbose, the traceback goes to the screen as well.
            logging.getLogger(__name__).exception("The pipeline failed.")
            console.error(describe(error))
            console.error(f"log: {log}")
            return FAILED
        finally:
            console.print_kept_lines()


def describe(error: Exception) -> str:
    """Describes an unexpected error in one line.

    The result contains the first line of the error's message. If the message is a traceback from
    Beam, the result contains the last line instead, which describes the error.
    """
    lines = [line.strip() for line in str(error).splitlines() if line.strip()] or ["no message"]
    line = lines[-1] if lines[0].startswith("Traceback") else lines[0]
    return f"{type(error).__name__}: {line}"
