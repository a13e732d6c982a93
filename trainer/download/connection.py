"""Whether a server can be reached at all."""

import contextlib
import socket
from typing import Any
from urllib.parse import urlsplit

_PORTS = {"http": 80, "https": 443}
_ADDRESSES = 2  # of a host that are tried


class UnconnectedError(OSError):
    """No connection could be made."""


def check_reachable(url: str, seconds: float) -> None:
    """Connects to the server, or to the proxy in front of it, and hangs up.

    `requests` would try each of the server's addresses, of which Google has sixteen, for as long.

    Raises:
      UnconnectedError: no connection could be made within so many seconds. Asking for the address
        is not part of them.
    """
    from requests.utils import get_environ_proxies, select_proxy

    proxy = select_proxy(url, get_environ_proxies(url))
    parts = urlsplit(proxy or url)
    port = parts.port or _PORTS.get(parts.scheme)
    if not parts.hostname or port is None:
        return  # `requests` refuses it and says why
    try:
        found = socket.getaddrinfo(parts.hostname, port, type=socket.SOCK_STREAM)[:_ADDRESSES]
        _connect([address[:2] for *_, address in found], seconds / len(found))
    except OSError as error:
        server = f"{'the proxy ' if proxy else ''}{parts.hostname}:{port}"
        reason = (error.strerror or str(error)).lower()
        raise UnconnectedError(f"no connection to {server} ({reason})") from error


def _connect(addresses: list[Any], seconds: float) -> None:
    *others, last = addresses
    for address in others:
        with contextlib.suppress(OSError):
            return socket.create_connection(address, timeout=seconds).close()
    socket.create_connection(last, timeout=seconds).close()


def reason(error: Exception) -> str:
    """The innermost cause, in a line: what `requests` raises nests."""
    cause: Any = error
    while True:
        inner = getattr(cause, "reason", None) or next(iter(cause.args), None)
        if not isinstance(inner, Exception):
            return " ".join(str(cause).split()) or type(error).__name__
        cause = inner
