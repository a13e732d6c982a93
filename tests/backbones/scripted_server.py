"""A web server on the loopback interface that sends prepared answers."""

import contextlib
import dataclasses
import hashlib
import http.server
import io
import tarfile
import threading
import time
from pathlib import Path

_STEP = 0.02  # seconds between the pieces of a body that is sent slowly


@dataclasses.dataclass(frozen=True, kw_only=True)
class Answer:
    """The HTTP response to one request.

    Attributes:
      body: the content of the whole file.
      status: HTTP status.
      header: additional header fields; a field overrides the server's own field of the same name,
        and None omits the field.
      etag: the `ETag` header; None omits it.
      sent: the number of bytes after which the connection is closed; None sends the whole body.
      stalled: the seconds for which the server waits before it closes the connection.
      ranges: whether the server supports the header `Range`.
      conditions: whether the server supports the header `If-Range`.
      pace: the speed in bytes per second; None sends at full speed.
    """

    body: bytes = b""
    status: int = 200
    header: dict[str, str | None] = dataclasses.field(default_factory=dict)
    etag: str | None = '"1"'
    sent: int | None = None
    stalled: float = 0
    ranges: bool = True
    conditions: bool = True
    pace: float | None = None


class Server:
    """A web server that records the path and headers of each request; a context manager."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, dict[str, str]]] = []
        self._script: dict[str, list[Answer]] = {}
        self._lock = threading.Lock()
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> "Server":
        # The server checks for a shutdown every 0.01 s, instead of every 0.5 s by default, so that
        # tests end quickly.
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def answer(self, path: str, *answers: Answer) -> str:
        """Sends `answers` in turn to the requests for `path`, and repeats the last answer."""
        self._script[path] = list(answers)
        return self.url + path

    @property
    def paths(self) -> list[str]:
        """Returns the paths of all requests."""
        return [path for path, _ in self.requests]

    @property
    def ranges(self) -> list[str | None]:
        """Returns the `Range` header of each request; None for a request without this header."""
        return [header.get("Range") for _, header in self.requests]

    def _next(self, path: str) -> Answer:
        with self._lock:
            answers = self._script.get(path) or [Answer(status=404)]
            return answers.pop(0) if len(answers) > 1 else answers[0]

    def _handler(server) -> type:  # noqa: N805
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                server.requests.append((self.path, dict(self.headers)))
                with contextlib.suppress(OSError):  # the client may have disconnected
                    _send(self, server._next(self.path))
                self.close_connection = True

            def log_message(self, *_: object) -> None:
                pass

        return Handler


def _send(handler: http.server.BaseHTTPRequestHandler, answer: Answer) -> None:
    start, status = _part(handler.headers, answer)
    fields = {"Content-Length": str(len(answer.body) - start)}
    if status == 206:
        fields["Content-Range"] = f"bytes {start}-{len(answer.body) - 1}/{len(answer.body)}"
    if answer.etag is not None:
        fields["ETag"] = answer.etag
    handler.send_response(status)
    for name, value in (fields | answer.header).items():
        if value is not None:
            handler.send_header(name, value)
    handler.end_headers()
    body = answer.body[start : answer.sent]
    step = len(body) or 1
    if answer.pace is not None:
        step = int(answer.pace * _STEP)
    for position in range(0, len(body), step):
        handler.wfile.write(body[position : position + step])
        if answer.pace is not None:
            time.sleep(_STEP)
    handler.wfile.flush()
    time.sleep(answer.stalled)


def _part(header, answer: Answer) -> tuple[int, int]:
    """Returns the position of the first byte to send, and the HTTP status."""
    wanted = header.get("Range")
    is_same = not answer.conditions or header.get("If-Range") == answer.etag
    if answer.status == 200 and wanted and answer.ranges and is_same:
        return int(wanted.removeprefix("bytes=").removesuffix("-")), 206
    return 0, answer.status


def archive(files: dict[str, bytes]) -> bytes:
    """Returns a `.tar.gz` archive of the files."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return packed.getvalue()


def files_of(directory: Path) -> dict[str, bytes]:
    """Returns the contents of all files below `directory`, by relative path."""
    files = (path for path in directory.rglob("*") if path.is_file())
    return {path.relative_to(directory).as_posix(): path.read_bytes() for path in files}


def random_bytes(size: int) -> bytes:
    """Returns `size` bytes that cannot be compressed, the same ones in every call."""
    blocks = (hashlib.sha256(str(index).encode()).digest() for index in range(size // 32 + 1))
    return b"".join(blocks)[:size]
