"""WeChat Pay, API v3: how a call is signed, sent and believed, and how a notification is.

What the calls say is in pay (payments and refunds), transfers and bills.
Source: wechatpay-apiv3/wechatpay-skills, the rules for signing, for verifying and for callbacks.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Literal, TypeVar
from urllib.parse import quote

import msgspec
import requests
from cryptography.exceptions import InvalidTag

from chalicelib.core.settings import settings
from chalicelib.gateways.wechat import http, keys, signature
from chalicelib.gateways.wechat.errors import UNREADABLE, CallbackRejected, WechatError

_RETRYABLE_CODES = {"SYSTEM_ERROR", "BANK_ERROR", "FREQUENCY_LIMITED", "RATELIMIT_EXCEEDED"}

_T = TypeVar("_T")


class Notification(msgspec.Struct, frozen=True):
    """A verified and decrypted callback. `id` only hints at a repeat; the numbers inside `resource` (JSON) decide."""

    id: str
    event_type: str
    resource: bytes


def call(method: str, path: str, body: bytes = b"") -> bytes:
    """The verified body of a 2xx reply; WechatError for everything else."""
    reply = http.send(*_signed(method, path, body))
    if not 200 <= reply.status < 300:
        raise _refusal(reply)
    if signature.defect({name.lower(): value for name, value in reply.headers.items()}, reply.body):
        raise WechatError(
            "reply_unverifiable", http=reply.status, request_id=_id(reply), retryable=True, outcome_unknown=True
        )
    return reply.body


@contextmanager
def download(path: str) -> Iterator[Iterator[bytes]]:
    """The body of a 2xx reply that WeChat does not sign, piece by piece; WechatError for everything else."""
    with http.stream(*_signed("GET", path, b"")) as reply:
        if not 200 <= reply.status < 300:
            raise _refusal(http.Reply(reply.status, reply.headers, next(reply.pieces, b"")))
        yield reply.pieces


def _signed(method: str, path: str, body: bytes) -> tuple[str, requests.PreparedRequest]:
    """Where to send this request, and the request as it goes over the wire."""
    base_url = settings().wechat_pay_url
    request = requests.Request(method, base_url + path, data=body or None).prepare()
    request.headers["Accept"] = request.headers["Content-Type"] = "application/json"
    request.headers["User-Agent"] = "yutang"
    key_id = keys.reply_key_id()
    if key_id:
        request.headers["Wechatpay-Serial"] = key_id
    # signed as it goes over the wire, whatever the library made of the address
    request.headers["Authorization"] = signature.authorization(method, request.path_url, body)
    return base_url, request


def post(path: str, body: dict[str, Any]) -> bytes:
    """The same as `call`, for a POST of this JSON."""
    return call("POST", path, msgspec.json.encode(body))


def decode(body: bytes, shape: type[_T]) -> _T:
    """A reply's body; WechatError, the outcome unknown, when it has another shape."""
    try:
        return msgspec.json.decode(body, type=shape)
    except msgspec.MsgspecError:
        raise WechatError("reply_malformed", http=200, retryable=True, outcome_unknown=True) from None


def notify_url(address: str, what: str) -> str:
    """Where WeChat is to tell of a payment, refund or transfer: at this address of the mall's, or else its present one.

    It is part of what a repeat must say alike, so what is asked for again keeps the address it was asked for with.
    """
    return f"{address or settings().public_url}/v1/callbacks/wechat/{what}"


def part(number: str) -> str:
    """`number` as a part of a path."""
    return quote(number, safe="")


def read_callback(headers: Mapping[str, str], body: bytes) -> Notification:
    """Verify and decrypt a notification; `body` is the raw bytes that arrived.

    Raises CallbackRejected for whatever is not provably WeChat's, fresh and meant for this merchant. A key
    that is not in the ring is never fetched: a stranger could make the mall do so.
    """
    flaw = signature.defect({name.lower(): value for name, value in headers.items()}, body)
    if flaw:
        raise CallbackRejected(flaw)
    try:
        envelope = msgspec.json.decode(body, type=_Envelope)
        ciphertext = base64.b64decode(envelope.resource.ciphertext, validate=True)
    except (msgspec.MsgspecError, binascii.Error, ValueError):
        raise CallbackRejected("malformed") from None
    resource = envelope.resource
    try:
        plain = keys.decrypt(ciphertext, resource.nonce.encode(), (resource.associated_data or "").encode())
    except (InvalidTag, ValueError):
        raise CallbackRejected("undecryptable") from None
    return Notification(id=envelope.id, event_type=envelope.event_type, resource=plain)


def read_resource(notification: Notification, shape: type[_T]) -> _T:
    """What a notification tells of. Raises CallbackRejected when it has another shape."""
    try:
        return msgspec.json.decode(notification.resource, type=shape)
    except msgspec.MsgspecError:
        raise CallbackRejected("malformed") from None


class _Resource(msgspec.Struct):
    algorithm: Literal["AEAD_AES_256_GCM"]
    ciphertext: str
    nonce: str
    associated_data: str | None = None


class _Envelope(msgspec.Struct):
    id: str
    event_type: str
    resource: _Resource


class _Refusal(msgspec.Struct):
    code: str


def _id(reply: http.Reply) -> str:
    return reply.headers.get("Request-ID", "")


def _refusal(reply: http.Reply) -> WechatError:
    try:
        code = msgspec.json.decode(reply.body, type=_Refusal).code[:64]
    except msgspec.MsgspecError:
        code = UNREADABLE.format(reply.status)
    return WechatError(
        code,
        http=reply.status,
        request_id=_id(reply),
        retryable=reply.status >= 500 or reply.status == 429 or code in _RETRYABLE_CODES,
        outcome_unknown=reply.status >= 500,
    )
