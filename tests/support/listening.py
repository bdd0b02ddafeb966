"""An HTTP server that notes what it is asked."""

from __future__ import annotations

import ssl
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

__all__ = ["Listening"]


class Listening:
    """An HTTP server that notes the headers of what it is asked, and answers all the same: 200, or what it is told."""

    def __init__(self, status: int = 200, body: bytes = b"", *, tls: ssl.SSLContext | None = None) -> None:
        self.headers: list[dict[str, str]] = []
        noted = self.headers

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                noted.append({**self.headers, "path": self.path})
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.send_header("Content-Type", "text/html")
                self.end_headers()
                self.wfile.write(body if self.command != "HEAD" else b"")

            do_HEAD = do_PUT = do_GET

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        if tls:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
        self.url = f"http{'s' if tls else ''}://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Listening:
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
