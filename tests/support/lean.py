"""A DynamoDB client that only sends and reads: unsigned, which the engine of the tests does not mind, and only once.

botocore takes two thirds of the time of a call to an engine on the same machine, which a test that makes a hundred
thousand of them would spend for nothing.
"""

from __future__ import annotations

import contextlib
import socket
import urllib.parse
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from botocore.exceptions import ClientError

from chalicelib.platform.store import base

_HEAD = (
    "POST / HTTP/1.1\r\nHost: local\r\nContent-Type: application/x-amz-json-1.0\r\nX-Amz-Date: 20261121T000000Z\r\n"
    "Authorization: AWS4-HMAC-SHA256 Credential=local/20261121/local/dynamodb/aws4_request, SignedHeaders=host, "
    "Signature=none\r\nX-Amz-Target: DynamoDB_20120810.{}\r\nContent-Length: {}\r\n\r\n"
)


class Lean:
    """What chalicelib.platform.store.base asks of a client."""

    def __init__(self, endpoint: str) -> None:
        place = urllib.parse.urlsplit(endpoint)
        self._socket = socket.create_connection((place.hostname, place.port), timeout=60)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._replies = self._socket.makefile("rb")

    def _make_api_call(self, operation: str, arguments: dict[str, Any]) -> dict[str, Any]:
        body = msgspec.json.encode(arguments)
        self._socket.sendall(_HEAD.format(operation, len(body)).encode() + body)
        status = int(self._replies.readline().split()[1])
        answer: dict[str, Any] = msgspec.json.decode(self._body())
        if status == 200:
            return answer
        told = {"Code": answer["__type"].rpartition("#")[2], "Message": answer.get("Message", "")}
        raise ClientError({"Error": told, **answer}, operation)

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
        self._replies.close()
        self._socket.close()


@contextlib.contextmanager
def lean(endpoint: str) -> Iterator[None]:
    """The mall of this process calls the engine so meanwhile."""
    with contextlib.closing(Lean(endpoint)) as client, pytest.MonkeyPatch.context() as patch:
        patch.setattr(base, "_client", client)
        yield
