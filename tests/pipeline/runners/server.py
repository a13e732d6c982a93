"""A local web server that replaces an API in tests, and can simulate errors of the API."""

import dataclasses
import datetime
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

# The server simulates errors with these HTTP statuses. For each status, the list contains a part of
# the error message that the command line must print. With 0 instead of an HTTP status, the server
# closes the connection without a response.
REFUSALS = [
    (401, "401 on purpose 401; the credentials are not accepted; log in again"),
    (403, "403 on purpose 403; permission denied: the account lacks"),
    (404, "404 on purpose 404; check project, region"),
    (409, "409 on purpose 409; the resource exists already"),
    (500, "500 on purpose 500; the service failed"),
    (0, "it is not known whether the request arrived"),
]
# If a command waits for a run or lists schedules, an error with a status in `FINAL` ends the
# command. An error with a status in `PASSING` is temporary: the client repeats the request if the
# request only reads.
FINAL = [refusal for refusal in REFUSALS if refusal[0] in (401, 403, 404)]
PASSING = (429, 500, 502, 503, 504, 0)


def _cron(*values: str) -> re.Pattern[str]:
    """Returns a pattern for cron expressions; each of `values` is a pattern for the numbers of one
    field."""
    parts = [rf"(\*|({value})(-({value}))?)(/\d+)?" for value in values]
    return re.compile(" ".join(f"{part}(,{part})*" for part in parts), re.IGNORECASE)


_MINUTE = "[0-5]?[0-9]"
_TIMES = (
    _MINUTE,
    "[01]?[0-9]|2[0-3]",
    "0?[1-9]|[12][0-9]|3[01]",
    "0?[1-9]|1[0-2]|JAN|FEB|MAR|APR|MAY|JUN|JUL|AUG|SEP|OCT|NOV|DEC",
    "0?[0-6]|SUN|MON|TUE|WED|THU|FRI|SAT",
)
FIVE_FIELDS = _cron(*_TIMES)
SIX_FIELDS = _cron(_MINUTE, *_TIMES)


@dataclasses.dataclass
class Request:
    """A request that the server received.

    Attributes:
      method: the HTTP method, such as GET.
      path: the path without the query.
      query: the first value of each parameter, by name.
      headers: the value of each header, by the header's name in lower case.
      body: the bytes of the body.
    """

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class ApiError(Exception):
    """A handler raises this error to answer with an HTTP error status.

    If the message is a string, `Api.error` makes the body of the response from the message. If the
    message is of type bytes, the message is the whole body.
    """

    def __init__(self, status: int, message: str | bytes) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


def check_times(start: str | None, end: str | None) -> None:
    """Refuses a schedule that never starts a run; `start` and `end` are RFC 3339 times or None."""
    if end is None:
        return
    last = datetime.datetime.fromisoformat(end)
    first = datetime.datetime.fromisoformat(start) if start else datetime.datetime.now(datetime.UTC)
    if last <= max(first, datetime.datetime.now(datetime.UTC)):
        raise ApiError(400, "the end time must be in the future, and after the start time")


class Api:
    """Answers each request with the handler of the first matching route; records all requests."""

    # Each route consists of the HTTP method, a pattern for the whole path, and the name of the
    # method that handles the request.
    ROUTES: tuple[tuple[str, str, str], ...] = ()

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self._failures: list[tuple[str, str, int]] = []
        self.url = ""

    def fail(self, method: str, end: str, status: int, times: int = 1) -> None:
        """Fails the next `times` requests that use `method` and whose path ends with `end`.

        The server responds with the HTTP status `status`. If `status` is 0, the server closes the
        connection without a response.
        """
        self._failures += [(method, end, status)] * times

    def find_requests(self, method: str, end: str) -> list[Request]:
        """Returns the recorded requests that use `method` and whose path ends with `end`."""
        return [r for r in self.requests if r.method == method and r.path.endswith(end)]

    def answer(self, request: Request) -> tuple[int, Any]:
        self.requests.append(request)
        if self._failures:
            method, end, status = self._failures[0]
            if method == request.method and request.path.endswith(end):
                del self._failures[0]
                return status, None
        try:
            self.check(request)
            for method, pattern, name in self.ROUTES:
                match = re.fullmatch(pattern, request.path)
                if match and method == request.method:
                    return 200, getattr(self, name)(request, *match.groups())
            raise ApiError(404, f"no such method: {request.method} {request.path}")
        except ApiError as error:
            return error.status, error.message

    def check(self, request: Request) -> None:
        """Refuses a request that is invalid for every route, for example, a request without a
        token."""

    def error(self, status: int, message: str) -> Any:
        """Returns the body of an error response, to be sent as JSON."""
        raise NotImplementedError


@contextmanager
def serving(api: Api) -> Iterator[Api]:
    """Runs a web server for `api` at `api.url`."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(api))
    api.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield api
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _handler(api: Api) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def _do(self) -> None:
            parts = urlsplit(self.path)
            request = Request(
                self.command,
                parts.path,
                {key: values[0] for key, values in parse_qs(parts.query).items()},
                {key.lower(): value for key, value in self.headers.items()},
                self.rfile.read(int(self.headers.get("content-length", 0))),
            )
            status, content = api.answer(request)
            if status == 0:
                self.connection.close()
                return
            if status != 200 and not isinstance(content, bytes):
                content = api.error(status, content or f"on purpose {status}")
            body = content if isinstance(content, bytes) else json.dumps(content).encode()
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = do_DELETE = do_PATCH = _do  # noqa: N815 (http.server's names)

        def log_message(self, *_: Any) -> None:
            """Logs nothing."""

    return Handler
