"""One file by HTTP."""

import contextlib
import dataclasses
import http
import logging
import random
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from trainer.download import checksum, header
from trainer.download.connection import UnconnectedError, check_reachable, reason
from trainer.download.partial import Partial, Stated
from trainer.errors import InputError
from trainer.locked import locked

logger = logging.getLogger("trainer.download")

_CHUNK = 1 << 16  # bytes that are read at a time, at most
_INTERVAL = 0.2  # seconds between two progress records
_QUICK = 1.0  # seconds within which a connection must fail to be tried again
_RETRIED = {408, 425, 429, 500, 502, 503, 504}


class DownloadError(InputError):
    """A file could not be had. The message is one line: the URL, and why."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Patience:
    """How long a download is tried.

    Attributes:
      connect: seconds to connect.
      read: seconds without a byte.
      in_all: seconds altogether.
      tries: attempts in a row that bring nothing new.
      pause: seconds before the second attempt; doubled with each further one.
      longest_pause: seconds, also where the server asks for more (`Retry-After`).
    """

    connect: float = 4
    read: float = 30
    in_all: float = 6 * 3600
    tries: int = 5
    pause: float = 1
    longest_pause: float = 60


@dataclasses.dataclass(frozen=True, kw_only=True)
class Download:
    """State of a download.

    Attributes:
      name: what a person calls it.
      done: bytes that are there.
      total: bytes that there will be; None if the server does not say.
      ended: whether the file is there and checked.
    """

    name: str
    done: int
    total: int | None
    ended: bool = False


def download(url: str, target: Path, *, name: str, patience: Patience | None = None) -> None:
    """Fetches `url` into the file `target`, unless it is there.

    What has come before a failure, or before the process was killed, lies in `<target>.part`, and
    a later call goes on from there if the server still has the same file. Logs records with a
    `download` attribute several times a second: at INFO where it begins and ends, else at DEBUG.

    Args:
      url: http or https.
      target: appears when it is complete and checked against the length and the checksum that
        the server states.
      name: what to call it for a person.
      patience: how long to try.

    Raises:
      DownloadError: it cannot be had, or not be written.
    """
    try:
        with locked(target):
            if not target.exists():
                _Transfer(url, target, name, patience or Patience()).run()
    except OSError as error:
        raise DownloadError(f"{url}: {target}: {error.strerror or error}") from error


class _AgainError(Exception):
    """An attempt failed, and the next one may not.

    Attributes:
      tries: attempts in a row that such a failure is worth; None is the usual number.
      wait: seconds that the server wants to be left alone.
    """

    def __init__(self, why: str, *, tries: int | None = None, wait: float = 0) -> None:
        super().__init__(why)
        self.tries = tries
        self.wait = wait


class _Transfer:
    def __init__(self, url: str, target: Path, name: str, patience: Patience) -> None:
        self._url = url
        self._name = name
        self._patience = patience
        self._partial = Partial(target, url)
        self._deadline = time.monotonic() + patience.in_all
        self._reported: float | None = None

    def run(self) -> None:
        """Tries until the file is there, or there is no point in trying."""
        in_vain, furthest = 0, self._partial.size
        while True:
            try:
                self._attempt()
                break
            except _AgainError as error:
                in_vain = 0 if self._partial.size > furthest else in_vain + 1
                furthest = max(furthest, self._partial.size)
                if in_vain >= (error.tries or self._patience.tries):
                    raise self._failure(str(error)) from error
                self._wait(str(error), in_vain, error.wait)
        size = self._partial.size
        self._partial.land()
        self._report(logging.INFO, Download(name=self._name, done=size, total=size, ended=True))

    def _attempt(self) -> None:
        if not self._partial.is_complete:
            with self._response() as response:
                self._begin_or_go_on(response)
                self._receive(response)
        self._check()

    @contextlib.contextmanager
    def _response(self) -> Iterator[Any]:
        """What the server answers, its body yet unread."""
        import requests

        errors = requests.exceptions
        started = time.monotonic()
        try:
            check_reachable(self._url, self._patience.connect)
            response = requests.get(
                self._url,
                headers=self._request_header(),
                stream=True,
                timeout=(self._patience.connect, self._patience.read),
            )
        except errors.ReadTimeout as error:
            raise _AgainError(self._stalled) from error
        except (errors.SSLError, errors.TooManyRedirects, ValueError) as error:
            raise self._failure(reason(error)) from error  # ValueError: not a proper URL
        except (UnconnectedError, errors.ConnectTimeout, errors.ProxyError) as error:
            quick = time.monotonic() - started < _QUICK
            raise _AgainError(reason(error), tries=2 if quick else 1) from error
        except errors.RequestException as error:
            raise _AgainError(reason(error)) from error
        with response:
            yield response

    def _request_header(self) -> dict[str, str]:
        # What is packed for the way has another length and checksum than what is stated.
        asked = {"Accept-Encoding": "identity"}
        if self._partial.size and self._partial.stated.validator:
            asked["Range"] = f"bytes={self._partial.size}-"
            asked["If-Range"] = self._partial.stated.validator
        return asked

    def _begin_or_go_on(self, response: Any) -> None:
        """Makes the partial file fit what is about to be sent."""
        status, said = response.status_code, response.headers
        if status == http.HTTPStatus.PARTIAL_CONTENT:
            self._check_part(said)
        elif status == http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
            self._partial.discard()
            raise _AgainError("it no longer has what was begun", tries=2)
        elif status in _RETRIED:
            raise _AgainError(header.status_line(status), wait=header.retry_after(said))
        elif status != http.HTTPStatus.OK:
            raise self._failure(header.status_line(status))
        else:
            self._partial.begin(
                Stated(
                    url=self._url,
                    validator=header.validator(said),
                    total=header.length(said),
                    checksums=checksum.stated(said),
                )
            )

    def _check_part(self, said: header.Header) -> None:
        """Trusts no server to heed `If-Range`."""
        stated = self._partial.stated
        is_next = header.part(said) == (self._partial.size, stated.total)
        if not is_next or header.validator(said) not in (None, stated.validator):
            self._partial.discard()
            raise _AgainError("it sent another part than it was asked for", tries=2)

    def _receive(self, response: Any) -> None:
        self._report(logging.INFO if self._reported is None else logging.DEBUG)
        with self._partial.path.open("ab") as file:
            while chunk := self._read(response):
                file.write(chunk)
                file.flush()
                if time.monotonic() > self._deadline:
                    raise self._failure(f"not complete after {self._patience.in_all:g} s")
                if time.monotonic() - (self._reported or 0) > _INTERVAL:
                    self._report(logging.DEBUG)

    def _read(self, response: Any) -> bytes:
        """What has come by now, at least one byte; nothing at the end."""
        from urllib3.exceptions import HTTPError, ReadTimeoutError

        try:
            return response.raw.read1(_CHUNK, decode_content=False)
        except ReadTimeoutError as error:
            raise _AgainError(self._stalled) from error
        except (HTTPError, OSError) as error:
            raise _AgainError(self._cut_off) from error

    def _check(self) -> None:
        stated = self._partial.stated
        if stated.total is not None and not self._partial.is_complete:
            raise _AgainError(self._cut_off)
        kind = checksum.differing(self._partial.path, stated.checksums)
        if kind is not None:
            self._partial.discard()
            raise _AgainError(f"what it sent does not have the {kind} that it states", tries=2)

    def _wait(self, why: str, in_vain: int, asked: float) -> None:
        pause = self._patience.pause * 2 ** max(in_vain - 1, 0) * random.uniform(0.5, 1)
        pause = min(max(pause, asked), self._patience.longest_pause)
        if time.monotonic() + pause > self._deadline:
            raise self._failure(f"{why}; given up after {self._patience.in_all:g} s")
        logger.info("%s: %s; trying again in %.1f s", self._url, why, pause)
        time.sleep(pause)

    def _report(self, level: int, state: Download | None = None) -> None:
        self._reported = time.monotonic()
        state = state or Download(
            name=self._name, done=self._partial.size, total=self._partial.stated.total
        )
        words = "%s: %d of %s bytes of %s"
        total = "?" if state.total is None else state.total
        logger.log(
            level, words, state.name, state.done, total, self._url, extra={"download": state}
        )

    def _failure(self, why: str) -> DownloadError:
        return DownloadError(f"{self._url}: {why}")

    @property
    def _stalled(self) -> str:
        return f"it sent nothing for {self._patience.read:g} s"

    @property
    def _cut_off(self) -> str:
        total = self._partial.stated.total
        return f"cut off after {self._partial.size} of {'?' if total is None else total} bytes"
