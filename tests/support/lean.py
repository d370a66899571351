"""A DynamoDB client that only sends and reads: unsigned, which the engine of the tests does not mind, and only once.

botocore takes two thirds of the time of a call to an engine on the same machine, which tests that make a hundred
thousand of them would spend for nothing. So tests in this process call the engine like this (`dynamodb` in
tests/conftest.py), except where faults outside are played (`boundary` in tests/support/outside.py): what botocore does
about those is part of what is tested. A local mall and the tests over HTTP always go through botocore.
"""

from __future__ import annotations

import contextlib
import socket
import threading
import urllib.parse
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from botocore.client import BaseClient
from botocore.exceptions import ClientError

from chalicelib.platform.store import base

_HEAD = (
    "POST / HTTP/1.1\r\nHost: local\r\nContent-Type: application/x-amz-json-1.0\r\nX-Amz-Date: 20261121T000000Z\r\n"
    "Authorization: AWS4-HMAC-SHA256 Credential=local/20261121/local/dynamodb/aws4_request, SignedHeaders=host, "
    "Signature=none\r\nX-Amz-Target: DynamoDB_20120810.{}\r\nContent-Length: {}\r\n\r\n"
)


class Connection:
    """One kept-alive connection."""

    def __init__(self, endpoint: str) -> None:
        self._place = urllib.parse.urlsplit(endpoint)
        self._open()

    def _open(self) -> None:
        self._socket = socket.create_connection((self._place.hostname, self._place.port), timeout=60)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._replies = self._socket.makefile("rb")

    def send(self, operation: str, body: bytes) -> tuple[int, bytes]:
        """Send a request; the status of the answer, and its body."""
        request = _HEAD.format(operation, len(body)).encode() + body
        try:
            self._socket.sendall(request)
            status = self._replies.readline()
        except ConnectionError:
            status = b""
        if not status:  # the engine has closed it, as it does when nobody has used it for half a minute
            self.close()
            self._open()
            self._socket.sendall(request)
            status = self._replies.readline()
        return int(status.split()[1]), self._body()

    def _body(self) -> bytes:
        """What follows after the headers: at once, or in chunks where the engine does not say how long it is."""
        length = None
        while (line := self._replies.readline().strip()) != b"":
            name, _, value = line.lower().partition(b":")
            length = int(value) if name == b"content-length" else length
        if length is not None:
            return self._replies.read(length)
        chunks: list[bytes] = []
        while size := int(self._replies.readline(), 16):
            chunks.append(self._replies.read(size))
            self._replies.readline()
        self._replies.readline()
        return b"".join(chunks)

    def close(self) -> None:
        """Close it."""
        self._replies.close()
        self._socket.close()


class Lean:
    """What chalicelib.platform.store.base asks of a client, over a connection for each thread; all else is asked of
    botocore's."""

    def __init__(self, endpoint: str, botocore_s: BaseClient) -> None:
        self.botocore_s = botocore_s
        self._endpoint = endpoint
        self._mine = threading.local()
        self._connections: list[Connection] = []

    def _make_api_call(self, operation: str, arguments: dict[str, Any]) -> dict[str, Any]:
        status, body = self._connection().send(operation, msgspec.json.encode(arguments))
        answer: dict[str, Any] = msgspec.json.decode(body)
        if status == 200:
            return answer
        told = {"Code": answer["__type"].rpartition("#")[2], "Message": answer.get("Message", "")}
        raise ClientError({"Error": told, **answer}, operation)

    def _connection(self) -> Connection:
        connection: Connection | None = getattr(self._mine, "connection", None)
        if connection is None:
            connection = self._mine.connection = Connection(self._endpoint)
            self._connections.append(connection)
        return connection

    def __getattr__(self, name: str) -> Any:
        return getattr(self.botocore_s, name)

    def close(self) -> None:
        """Close the connections of all threads."""
        for connection in self._connections:
            connection.close()


def botocore_s() -> BaseClient:
    """Botocore's client, where the lean one stands in for it, too."""
    client = base.client()
    return client.botocore_s if isinstance(client, Lean) else client


@contextlib.contextmanager
def lean(endpoint: str) -> Iterator[None]:
    """The mall of this process calls the engine so meanwhile."""
    with contextlib.closing(Lean(endpoint, botocore_s())) as client, pytest.MonkeyPatch.context() as patch:
        patch.setattr(base, "_client", client)
        yield
