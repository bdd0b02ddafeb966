"""A TCP proxy that a test cuts: for good, or at the moment when a client has said a certain word."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["TcpProxy", "tcp_proxy"]


class TcpProxy:
    """Forwards connections to a server on this machine.

    Parameters
    ----------
    port
        The server's.
    """

    def __init__(self, port: int) -> None:
        self._server = port
        self._lock = threading.Lock()
        self._open: list[socket.socket] = []
        self._away = self._mute = False
        self._word: bytes | None = None
        self._deliver = False
        self._stay_away = False
        self.cuts = 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def cut_at(self, word: bytes, *, deliver: bool, stay_away: bool = False) -> None:
        """Cut every connection when a client next says a word.

        Parameters
        ----------
        word
            What it says.
        deliver
            Whether the server still hears it and does what it asks; the answer is lost in any case.
        stay_away
            Whether nobody gets through any more until `mend`.
        """
        self._word, self._deliver, self._stay_away = word, deliver, stay_away

    def cut(self, *, stay_away: bool = True) -> None:
        """Cut every connection, and let nobody through until `mend`."""
        with self._lock:
            self._away = self._away or stay_away
            self.cuts += 1
            _end(*self._open)
            self._open.clear()

    def mend(self) -> None:
        """Let everybody through again."""
        self._away, self._word = False, None

    def close(self) -> None:
        """End it."""
        self.cut()
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            if self._away:
                client.close()
                continue
            server = socket.create_connection(("127.0.0.1", self._server))
            with self._lock:
                self._open += [client, server]
            answered = threading.Event()
            threading.Thread(target=self._ask, args=(client, server, answered), daemon=True).start()
            threading.Thread(target=self._answer, args=(server, client, answered), daemon=True).start()

    def _ask(self, client: socket.socket, server: socket.socket, answered: threading.Event) -> None:
        with contextlib.suppress(OSError):
            while data := client.recv(65536):
                if self._word is not None and self._word in data:
                    self._word = None
                    self._mute = True
                    if self._deliver:
                        server.sendall(data)
                        server.shutdown(socket.SHUT_WR)
                        answered.wait(20)  # it ends the session after it has done what it was asked
                    self.cut(stay_away=self._stay_away)
                    self._mute = False
                    return
                server.sendall(data)
        _end(client, server)

    def _answer(self, server: socket.socket, client: socket.socket, answered: threading.Event) -> None:
        with contextlib.suppress(OSError):
            while data := server.recv(65536):
                if not self._mute:
                    client.sendall(data)
        answered.set()
        if not self._mute:
            _end(client, server)


def _end(*ends: socket.socket) -> None:
    for end in ends:
        with contextlib.suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)


@contextmanager
def tcp_proxy(port: int) -> Iterator[TcpProxy]:
    """Run a proxy before a port of this machine."""
    proxy = TcpProxy(port)
    try:
        yield proxy
    finally:
        proxy.close()
