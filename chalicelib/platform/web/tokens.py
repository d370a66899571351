"""Bearer tokens: signed, with an end, checked without a read. Keys rotate: the last signs, all are accepted."""

from __future__ import annotations

import hashlib
from datetime import datetime
from typing import Literal

import msgspec
from itsdangerous import BadData, URLSafeSerializer

from chalicelib.core import clock
from chalicelib.core.errors import MallError
from chalicelib.core.settings import signing_keys

#: What a token is for. One of a kind is none of another: "session" and "device" are cookies of an operator's browser.
Kind = Literal["member", "operator", "session", "device"]

_LENGTH_MAX = 1024


class Token(msgspec.Struct, frozen=True):
    """The member or operator that a token speaks for, until when, and since when: older ones can be made void."""

    subject: str
    issued_at: datetime
    ends_at: datetime


def issue(kind: Kind, subject: str, expires_at: datetime, issued_at: datetime | None = None) -> str:
    """Sign a token of that kind for the member's or operator's id, good from `issued_at` (now) until `expires_at`."""
    issued_ms = int((issued_at or clock.now()).timestamp() * 1000)
    return _serializer(kind).dumps([subject, int(expires_at.timestamp()), issued_ms])


def read(kind: Kind, authorization: str | None) -> Token:
    """Read the header `Authorization: Bearer ...`. Raises `unauthenticated`."""
    scheme, _, token = (authorization or "").partition(" ")
    if scheme.lower() == "bearer":
        return check(kind, token.strip())
    raise MallError("unauthenticated")


def check(kind: Kind, token: str) -> Token:
    """Read a token by itself, as a cookie has it. Raises `unauthenticated`."""
    if len(token) <= _LENGTH_MAX:
        try:
            who, expires, issued_ms = _serializer(kind).loads(token)
        except (BadData, ValueError, TypeError):
            raise MallError("unauthenticated") from None
        if clock.unix() < expires:
            return Token(who, clock.from_ms(issued_ms), clock.from_ms(expires * 1000))
    raise MallError("unauthenticated")


def _serializer(kind: Kind) -> URLSafeSerializer:
    return URLSafeSerializer(signing_keys(), salt=f"token:{kind}", signer_kwargs={"digest_method": hashlib.sha256})
