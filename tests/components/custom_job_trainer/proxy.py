"""An HTTP proxy on loopback that forwards every connection to one local server."""

import socket
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager


class _Tunnel(socketserver.StreamRequestHandler):
    """Answers a CONNECT request, and then copies bytes in both directions."""

    rbufsize = 0  # unbuffered, so that the proxy does not read beyond the request

    def handle(self) -> None:
        method, target, _ = self.rfile.readline().decode().split()
        assert method == "CONNECT"
        while self.rfile.readline().strip():
            pass
        self.server.targets.append(target)
        with socket.create_connection(("127.0.0.1", self.server.port)) as upstream:
            self.wfile.write(b"HTTP/1.1 200 OK\r\n\r\n")
            back = threading.Thread(target=_copy, args=(upstream, self.connection), daemon=True)
            back.start()
            _copy(self.connection, upstream)
            back.join()


def _copy(source: socket.socket, target: socket.socket) -> None:
    try:
        while data := source.recv(65536):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)
    except OSError:
        pass  # one end has disconnected, so the copying ends


class Proxy(socketserver.ThreadingTCPServer):
    """The proxy server.

    Attributes:
      port: the port of the server on loopback.
      targets: the requested addresses, as "host:port".
    """

    daemon_threads = True

    def __init__(self, port: int) -> None:
        super().__init__(("127.0.0.1", 0), _Tunnel)
        self.port = port
        self.targets: list[str] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


@contextmanager
def run_proxy(port: int) -> Iterator[Proxy]:
    """Runs a proxy that forwards every connection to `port`."""
    with Proxy(port) as proxy:
        threading.Thread(target=proxy.serve_forever, daemon=True).start()
        yield proxy
        proxy.shutdown()
