"""Downloads one file by HTTP, with `requests`.

`requests` and `urllib3.Retry` connect, follow redirects, use proxies, and repeat requests after
responses such as 503. This module requests the remaining bytes of a file if the connection breaks
during a download, because neither `requests` nor `urllib3` does so.
"""

import contextlib
import dataclasses
import hashlib
import json
import logging
import os
import re
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urljoin

from common.errors import InputError, one_line
from common.files import write_whole
from common.lock import hold_lock
from common.urls import is_secure

logger = logging.getLogger("backbones.download")

_CHUNK = 1 << 16  # largest number of bytes in one read
_INTERVAL = 0.2  # seconds between two log records of progress


class DownloadError(InputError):
    """The error for a failed download. The message is one line with the URL and the reason."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Patience:
    """The time limits of a download, in seconds, and the limit for failed attempts."""

    connect: float = 4  # longest wait for a connection to an address of the server
    read: float = 30  # longest wait for the next byte
    total: float = 6 * 3600  # longest duration of a download
    pause: float = 1  # wait before the second attempt; the wait doubles before each further attempt
    longest_pause: int = 60  # longest wait between attempts, even if Retry-After asks for more
    tries: int = 5  # number of attempts in a row without new data after which a download fails


class Download(NamedTuple):
    """The progress of a download: bytes received, and the file's size if the server stated it."""

    name: str
    done: int
    total: int | None
    ended: bool = False  # whether the downloaded file is complete and checked


def download(
    url: str, target: Path, *, name: str, sha256: str | None = None, patience: Patience = Patience()
) -> None:
    """Downloads `url` into the file `target`, unless the file exists.

    The bytes received before a failure, or before the process was killed, are kept in
    `<target>.part`; a later call continues from these bytes if the server still has the same file.
    The function logs its progress several times a second. The attribute `download` of each log
    record is a `Download`, from which a progress display takes its values.

    Args:
      url: an address with the scheme http or https.
      target: the path of the file, which is created when the download is complete and checked.
      name: the name of the file in progress displays.
      sha256: the expected digest, hexadecimal; None if it is not known.
      patience: the time limits and the limit for failed attempts.

    Raises:
      DownloadError: the file cannot be downloaded or written.
    """
    try:
        with hold_lock(target):
            if not target.exists():
                _Transfer(url, target, name, sha256, patience).run()
    except OSError as error:
        raise DownloadError(f"{url}: {target}: {error.strerror or error}") from error


class _BrokenOffError(Exception):
    """An attempt failed, but another attempt may succeed."""


class _Transfer:
    def __init__(
        self, url: str, target: Path, name: str, sha256: str | None, patience: Patience
    ) -> None:
        self._url, self._target, self._name = url, target, name
        # The JSON file that accompanies a partial download contains a digest of the URL, not the
        # URL itself, because a signed URL is a secret.
        self._url_digest = hashlib.sha256(url.encode()).hexdigest()
        self._sha256, self._patience = sha256, patience
        self._part = target.with_name(target.name + ".part")
        self._notes = target.with_name(target.name + ".part.json")
        self._deadline = time.monotonic() + patience.total
        self._reported = 0.0
        self._validator, self._total = self._read_notes()

    def run(self) -> None:
        """Makes attempts until the file is complete; raises DownloadError when it gives up."""
        failures = 0  # number of attempts in a row that received no new data
        with self._session() as session:
            while self._total is None or self._size != self._total:
                before = self._size
                try:
                    self._attempt(session)
                    break
                except _BrokenOffError as error:
                    failures = 0 if self._size > before else failures + 1
                    pause = min(self._patience.pause * 2**failures, self._patience.longest_pause)
                    is_late = time.monotonic() + pause > self._deadline
                    if failures >= self._patience.tries or is_late:
                        raise self._failure(str(error)) from error
                    logger.info("%s: %s; trying again in %.1f s", self._url, error, pause)
                    time.sleep(pause)
        self._finish()

    def _session(self) -> Any:
        import requests
        from urllib3 import Retry

        class _SecureSession(requests.Session):
            def get_redirect_target(self, response: Any) -> str | None:
                """Refuses a redirect from https to http."""
                target = super().get_redirect_target(response)
                if target and not is_secure(urljoin(response.url, target)):
                    raise requests.exceptions.InvalidSchema(
                        f"redirected to {target}, where anybody on the network could change the "
                        "file"
                    )
                return target

        retry = Retry(
            total=None,
            connect=1,
            # urllib3 must not repeat a request whose response broke off: `_Transfer.run` repeats
            # the request, and asks only for the missing bytes.
            read=False,
            redirect=False,  # `requests`, not urllib3, follows redirects
            status=self._patience.tries,
            status_forcelist=(408, 425, 429, 500, 502, 503, 504),
            raise_on_status=False,
            backoff_factor=self._patience.pause,
            backoff_max=self._patience.longest_pause,
            retry_after_max=self._patience.longest_pause,
        )
        session = _SecureSession()
        for scheme in ("http://", "https://"):
            session.mount(scheme, requests.adapters.HTTPAdapter(max_retries=retry))
        return session

    def _attempt(self, session: Any) -> None:
        from requests import exceptions
        from urllib3.exceptions import HTTPError, MaxRetryError, ReadTimeoutError

        # The expected length and digest are those of the uncompressed file, so ask the server not
        # to compress the body of the response.
        header = {"Accept-Encoding": "identity"}
        if self._size and self._validator:
            header |= {"Range": f"bytes={self._size}-", "If-Range": self._validator}
        timeout = (self._patience.connect, self._patience.read)
        try:
            with session.get(self._url, headers=header, stream=True, timeout=timeout) as response:
                self._receive(response)
        except (exceptions.ReadTimeout, ReadTimeoutError) as error:
            why = f"the server sent nothing for {self._patience.read:g} s"
            raise _BrokenOffError(why) from error
        except (exceptions.SSLError, exceptions.TooManyRedirects, ValueError) as error:
            # `requests` raises ValueError for an invalid URL.
            raise self._failure(_reason(error)) from error
        except exceptions.ConnectionError as error:
            if isinstance(next(iter(error.args), None), MaxRetryError):
                raise self._failure(f"no connection ({_reason(error)})") from error
            raise _BrokenOffError(_reason(error)) from error
        except (exceptions.RequestException, HTTPError) as error:
            total = "?" if self._total is None else self._total
            why = f"the connection broke off after {self._size} of {total} bytes"
            raise _BrokenOffError(why) from error

    def _receive(self, response: Any) -> None:
        """Appends the body of the response to the partial file, or starts a new partial file."""
        header = response.headers
        etag = header.get("ETag", "")  # If-Range needs a strong ETag (RFC 9110, section 13.1.5)
        validator = etag if etag.startswith('"') else header.get("Last-Modified")
        if response.status_code in (206, 416):
            if response.status_code == 416 or not self._is_next(header, validator):
                self._discard()
                raise _BrokenOffError("the file on the server has changed")
        elif response.status_code == 200:
            length = header.get("Content-Length", "")
            self._begin(validator, int(length) if length.isdigit() else None)
        else:
            raise self._failure(f"HTTP {response.status_code} {response.reason}")
        self._report(logging.INFO)
        with self._part.open("ab") as file:
            while chunk := response.raw.read1(_CHUNK, decode_content=False):
                file.write(chunk)
                file.flush()
                if time.monotonic() > self._deadline:
                    raise self._failure(f"not complete after {self._patience.total:g} s")
                if time.monotonic() - self._reported > _INTERVAL:
                    self._report(logging.DEBUG)

    def _is_next(self, header: Mapping[str, str], validator: str | None) -> bool:
        """Whether the response continues the partial file.

        Without this check, a server that ignores the header If-Range could add bytes of a newer
        version of the file to the partial file.
        """
        expected = rf"bytes {self._size}-\d+/{self._total}"
        has_rest = re.fullmatch(expected, header.get("Content-Range", ""))
        return bool(has_rest) and validator in (None, self._validator)

    def _finish(self) -> None:
        with self._part.open("rb+") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest() if self._sha256 else None
            os.fsync(file.fileno())
        if found != self._sha256:
            self._discard()
            raise self._failure(f"its SHA-256 is {found}; expected {self._sha256}")
        self._report(logging.INFO, ended=True)
        os.replace(self._part, self._target)
        self._notes.unlink(missing_ok=True)

    @property
    def _size(self) -> int:
        return self._part.stat().st_size if self._part.exists() else 0

    def _read_notes(self) -> tuple[str | None, int | None]:
        """Reads the validator (ETag or Last-Modified) and the total size of a partial download.

        If the download cannot be resumed, deletes the partial file and returns (None, None).
        """
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            notes = json.loads(self._notes.read_text())
            total = notes["total"]
            fits = total is None or self._size <= total
            if notes["url"] == self._url_digest and notes["validator"] and fits:
                return notes["validator"], total
        self._discard()
        return None, None

    def _begin(self, validator: str | None, total: int | None) -> None:
        # Delete the old partial file before writing the new JSON file, because a process that is
        # killed between these two steps must not leave a new JSON file that describes the old
        # partial file.
        self._discard()
        self._validator, self._total = validator, total
        notes = {"url": self._url_digest, "validator": validator, "total": total}
        write_whole(self._notes, json.dumps(notes))

    def _discard(self) -> None:
        self._validator = self._total = None
        self._part.unlink(missing_ok=True)
        self._notes.unlink(missing_ok=True)

    def _report(self, level: int, *, ended: bool = False) -> None:
        self._reported = time.monotonic()
        total = self._size if ended else self._total
        state = Download(self._name, self._size, total, ended)
        words = "%s: %d bytes of %s"
        logger.log(level, words, self._url, state.done, total, extra={"download": state})

    def _failure(self, why: str) -> DownloadError:
        return DownloadError(f"{self._url}: {why}")


def _reason(error: Any) -> str:
    """Returns, as one line, the innermost error behind an error of `requests`."""
    inner = [e for e in (*error.args, getattr(error, "reason", None)) if isinstance(e, Exception)]
    if inner:
        return _reason(inner[-1])
    return (getattr(error.__cause__, "strerror", None) or one_line(error)).lower()
