"""How a request goes to DynamoDB: straight, and whatever does not succeed so by all of botocore's machinery.

botocore's way to a call and back takes most of a call's CPU, for what is the same each time: which endpoint, which
shapes, a signing key, two dozen events. So a request is signed and sent here first. Where the answer is a success,
that is all. Otherwise botocore makes the call, and what came of the first send is what its first send brings: so what
is tried again and when, what is counted against its budget for that, and what is raised are its own, and nothing is
sent more often than by it alone.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Mapping
from typing import Any
from urllib.parse import urljoin, urlsplit

import msgspec
from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.client import BaseClient
from botocore.compat import get_current_datetime
from botocore.credentials import ReadOnlyCredentials
from botocore.exceptions import ResponseStreamingError
from botocore.session import Session as Botocore

from chalicelib.core import signature
from chalicelib.platform.store.connections import Session
from chalicelib.platform.store.pynamodb_patches import ANSWERS

_encoder = msgspec.json.Encoder()


class _Handed(threading.local):
    """What the next send of botocore's on this thread brings, where that was sent before."""

    came: AWSResponse | Exception | None = None


_handed = _Handed()


class _Straight(BaseClient):  # type: ignore[misc]  # botocore is untyped
    """Comes before botocore's own class in the client for DynamoDB."""

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self._url = urljoin(self.meta.endpoint_url, "/")
        self._endpoint.http_session = Session(self._endpoint.http_session, self._url)

    def _make_api_call(self, operation_name: str, api_params: Mapping[str, Any]) -> Any:
        credentials = self._get_credentials()
        body = _written(operation_name, api_params)
        if credentials is None or body is None:  # botocore says so, and what it makes of it
            return super()._make_api_call(operation_name, api_params)
        request = self._signed(operation_name, body, credentials.get_frozen_credentials())
        came: AWSResponse | Exception
        try:
            came = self._endpoint.http_session.send(request)
        except Exception as fault:  # as botocore itself takes whatever a send raises
            came = fault
        if isinstance(came, AWSResponse) and came.status_code == 200:
            try:
                answer = ANSWERS.parse({"status_code": 200, "headers": came.headers, "body": came.content}, None)
            except msgspec.DecodeError as fault:  # it broke off where nothing says so
                came = ResponseStreamingError(error=fault)
            else:
                # Each success refills botocore's budget for trying again.
                self.meta.events.emit(f"after-call.dynamodb.{operation_name}", http_response=came, context={})
                return answer
        _handed.came = came
        try:
            return super()._make_api_call(operation_name, api_params)
        finally:
            _handed.came = None

    def _signed(self, operation: str, body: bytes, keys: ReadOnlyCredentials) -> AWSPreparedRequest:
        own = signature.Credentials(keys.access_key, keys.secret_key, keys.token or "")
        scope = signature.Scope("dynamodb", self.meta.region_name, get_current_datetime(remove_tzinfo=False))
        told = {"content-type": "application/x-amz-json-1.0", "x-amz-target": f"DynamoDB_20120810.{operation}"}
        digest = hashlib.sha256(body).hexdigest()
        headers = signature.headers(own, scope, "POST", urlsplit(self._url).netloc, "/", told, digest)
        headers["user-agent"] = self.meta.config.user_agent
        return AWSPreparedRequest("POST", self._url, headers, body, stream_output=False)


def _written(operation: str, arguments: Mapping[str, Any]) -> bytes | None:
    """Write the request's body; None for what botocore alone would write: a value that is no plain JSON, and the token
    without which a transaction that is sent again would be done again."""
    if operation == "TransactWriteItems" and "ClientRequestToken" not in arguments:
        return None
    try:
        return _encoder.encode(arguments)
    except (TypeError, ValueError):
        return None


def _sent_before(**_: Any) -> AWSResponse | None:
    """Give botocore the answer that has come instead of letting it send. Raises what came instead of an answer."""
    came, _handed.came = _handed.came, None
    if isinstance(came, Exception):
        raise came
    return came


def register(session: Botocore) -> None:
    """Have the clients for DynamoDB that this session makes go straight."""
    session.register("creating-client-class.dynamodb", lambda base_classes, **_: base_classes.insert(0, _Straight))
    session.register("before-send.dynamodb", _sent_before)
