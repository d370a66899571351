"""A DynamoDB that answers as it is told, over real sockets: each send by the next of its answers, then well."""

from __future__ import annotations

import contextlib
import json
import socket
import ssl
import threading
import zlib
from collections.abc import Iterator
from typing import NamedTuple

ITEM = {"Item": {"id": {"S": "1"}, "name": {"S": "枕头"}}}
_GOOD = json.dumps(ITEM).encode()


class Sent(NamedTuple):
    """A request as it arrived; the headers' names are in small letters."""

    headers: dict[str, str]
    body: bytes


class Flaky:
    """The server. `answers` are what the next sends get: a status with an error's code, or "dropped", "silent",
    "half", "cut" (among its headers), "damaged", "chunked", "closing", "closed behind", "continue" (said before it)."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.answers: list[str] = []
        self.sent: list[Sent] = []
        self.connections = 0
        self._listening = socket.create_server(("127.0.0.1", 0))
        self._tls = tls
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self._listening.getsockname()[1]}"
        self._ended = threading.Event()
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):  # closed
            while True:
                connection, _ = self._listening.accept()
                threading.Thread(target=self._talk, args=(connection,), daemon=True).start()

    def _talk(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError), contextlib.ExitStack() as held:
            held.enter_context(connection)
            if self._tls is not None:
                connection = held.enter_context(self._tls.wrap_socket(connection, server_side=True))
            incoming = held.enter_context(connection.makefile("rb"))
            self.connections += 1
            while incoming.readline():
                headers = dict(iter(lambda: _header(incoming.readline()), ("", "")))
                self.sent.append(Sent(headers, incoming.read(int(headers["content-length"]))))
                answer = self.answers.pop(0) if self.answers else "well"
                if answer == "silent":
                    self._ended.wait()
                connection.sendall(_answer(answer))
                if answer in ("dropped", "half", "cut", "closing", "closed behind", "silent"):
                    return

    def close(self) -> None:
        """Hear nobody any more."""
        self._ended.set()
        self._listening.shutdown(socket.SHUT_RDWR)  # who waits for somebody is told
        self._listening.close()


def _header(line: bytes) -> tuple[str, str]:
    name, _, value = line.decode().strip().partition(":")
    return name.lower(), value.strip()


def _answer(name: str) -> bytes:
    if name in ("dropped", "silent"):
        return b""
    if name == "chunked":
        parts = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in (_GOOD[:9], _GOOD[9:]))
        return b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + parts + b"0\r\n\r\n"
    status, _, code = name.partition(" ") if name[0].isdigit() else ("200", "", "")
    error = json.dumps({"__type": f"com.amazonaws.dynamodb.v20120810#{code}", "message": "told so"}).encode()
    body = error if code else b"" if status != "200" else _GOOD
    head = f"HTTP/1.1 {status} As told\r\nContent-Length: {len(body)}\r\nx-amz-crc32: {zlib.crc32(body)}\r\n"
    if name == "closing":
        head += "Connection: close\r\n"
    if name == "damaged":
        body = body[:-1] + b" "
    if name == "cut":
        return head.encode()[: len("HTTP/1.1 200 As told\r\nContent-Le")]
    if name == "continue":
        head = "HTTP/1.1 100 Continue\r\n\r\n" + head
    return head.encode() + b"\r\n" + (body[:-5] if name == "half" else body)


@contextlib.contextmanager
def flaky(tls: ssl.SSLContext | None = None) -> Iterator[Flaky]:
    """One of them, meanwhile."""
    with contextlib.closing(Flaky(tls)) as server:
        yield server
