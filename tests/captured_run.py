"""Runs the command line in this process, and captures its output."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

import pipeline_runner


@contextmanager
def _redirect_output() -> Iterator[tuple[TextIO, TextIO]]:
    """Redirects file descriptors 1 and 2 to two temporary files, and yields the files."""
    saved = os.dup(1), os.dup(2)
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        os.dup2(out.fileno(), 1)
        os.dup2(err.fileno(), 2)
        try:
            yield out, err
        finally:
            for descriptor, original in zip((1, 2), saved, strict=True):
                os.dup2(original, descriptor)
                os.close(original)


def run_captured(*arguments: str) -> tuple[int, str, str]:
    """Runs the command line in this process; returns the exit status, stdout and stderr."""
    with _redirect_output() as streams:
        status = pipeline_runner.main(arguments)
        texts = []
        for file in streams:
            file.seek(0)
            texts.append(file.read())
    return status, *texts
