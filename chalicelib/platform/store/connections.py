"""How a request goes over a connection that is open: its bytes, and nothing around them.

botocore's session, and urllib3 below it, open every connection with all that is chosen there (certificates, proxies,
time-outs) and keep it in their pool; to choose the same again takes most of a request's CPU. So what finds an open
connection in the pool is written to it here, and the standard library reads the answer, but for the headers.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from http.client import CONTINUE, NO_CONTENT, NOT_MODIFIED, HTTPException, HTTPResponse, IncompleteRead
from typing import Any
from urllib.parse import urlsplit

from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.exceptions import ConnectionClosedError, ReadTimeoutError, ResponseStreamingError
from botocore.httpsession import URLLib3Session


class Session:
    """Sends what botocore's session would send, bodies of bytes only, and raises what that would raise."""

    def __init__(self, opening: URLLib3Session, url: str) -> None:
        """Use open connections to this address; `opening` sends what finds none, and what goes elsewhere."""
        self._opening = opening
        self._url = url
        self._pool = opening._manager.connection_from_url(url)  # private, as what is asked of it: held by tests

    def send(self, request: AWSPreparedRequest) -> AWSResponse:
        """Send the request and read its whole answer. Raises botocore's ConnectionError and HTTPClientError.

        An answer that came damaged is none, so that it is asked for again; botocore would read it before it notices.
        """
        answer = self._answer(request)
        checksum = answer.headers.get("x-amz-crc32")
        if checksum is not None and int(checksum) != zlib.crc32(answer.content):
            raise ResponseStreamingError(error="the checksum is not that of the answer")
        return answer

    def _answer(self, request: AWSPreparedRequest) -> AWSResponse:
        if request.url == self._url:
            connection = self._pool._get_conn()  # one that the server has closed is closed here too
            try:
                if connection.sock is not None:
                    return _exchange(connection, request)
                connection = None  # made anew by who opens it, with the certificates that are chosen then
            finally:
                self._pool._put_conn(connection)
        return self._opening.send(request)

    def close(self) -> None:
        """Close every connection."""
        self._opening.close()


def _exchange(connection: Any, request: AWSPreparedRequest) -> AWSResponse:
    """Write the request and read its answer, waiting for each part of it as long as the read time-out says."""
    try:
        connection.sock.sendall(_written(request))
        with _Reply(connection.sock, method=request.method) as reply:
            reply.begin()
            answer = AWSResponse(request.url, reply.status, reply.headers, reply)
            _ = answer.content  # asked for, it is read
    except BaseException as fault:
        connection.close()  # nobody knows what else would come over it
        if isinstance(fault, TimeoutError):
            raise ReadTimeoutError(endpoint_url=request.url, error=fault) from fault
        if isinstance(fault, (OSError, HTTPException, ValueError)):
            raise ConnectionClosedError(endpoint_url=request.url, error=fault) from fault
        raise
    if reply.will_close:
        connection.close()
    return answer


def _written(request: AWSPreparedRequest) -> bytes:
    where = urlsplit(request.url)
    headers = {"host": where.netloc, "accept-encoding": "identity", "content-length": str(len(request.body))}
    for name, value in request.headers.items():
        headers[name.lower()] = value.decode() if isinstance(value, bytes) else value
    if any("\r" in value or "\n" in value for value in headers.values()):
        raise ValueError("a header of more than one line")
    lines = [f"{request.method} {where.path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
    return "\r\n".join([*lines, "", ""]).encode() + bytes(request.body)


class _Reply(HTTPResponse):
    """Reads headers as lines: the standard library reads them as those of a letter, in twenty times as long."""

    headers: dict[str, str]  # type: ignore[assignment]  # their names in small letters

    def begin(self) -> None:
        """Read everything before the body."""
        version, self.status, self.reason = self._read_status()  # type: ignore[attr-defined]
        self.headers = dict(self._lines())
        while self.status == CONTINUE:
            version, self.status, self.reason = self._read_status()  # type: ignore[attr-defined]
            self.headers = dict(self._lines())
        length = "0" if self.status in (NO_CONTENT, NOT_MODIFIED) else self.headers.get("content-length")
        self.chunked = self.headers.get("transfer-encoding", "").lower() == "chunked"
        self.chunk_left = None
        self.length = None if self.chunked or length is None else int(length)
        self.will_close = (
            version != "HTTP/1.1"
            or self.headers.get("connection", "").lower() == "close"
            or (self.length is None and not self.chunked)
        )

    def _lines(self) -> Iterator[tuple[str, str]]:
        """Read the headers. Raises IncompleteRead where they break off."""
        while line := self.fp.readline():
            if not line.strip():
                return
            name, _, value = line.decode("latin-1").partition(":")
            yield name.lower(), value.strip()
        raise IncompleteRead(b"")

    def stream(self) -> Iterator[bytes]:
        """Give the whole body."""
        yield self.read()
