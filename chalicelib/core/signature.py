"""Signature Version 4 of AWS: of a request of the mall's own, and of a form that somebody else posts to S3. Pure.

By hand, since botocore would read S3's description (decision 31), and takes ten times as long for a request of
DynamoDB's (decision 36); tests hold all of it against botocore's.
Source: docs.aws.amazon.com/AmazonS3/latest/API, "Authenticating Requests", "POST Policy".
"""

from __future__ import annotations

import base64
import functools
import hashlib
import hmac
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

_ALGORITHM = "AWS4-HMAC-SHA256"
#: What S3 takes in place of the digest of a body that is not signed; it goes over TLS.
UNSIGNED = "UNSIGNED-PAYLOAD"


class Credentials(msgspec.Struct, frozen=True):
    """A key, its secret, and the session's token where they are temporary."""

    key_id: str
    secret: str
    token: str = ""


class Scope(msgspec.Struct, frozen=True):
    """For which service, in which region, and when."""

    service: str
    region: str
    at: datetime

    @property
    def stamp(self) -> str:
        """The instant as AWS writes it."""
        return self.at.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")

    @property
    def name(self) -> str:
        """What the credentials are good for."""
        return f"{self.stamp[:8]}/{self.region}/{self.service}/aws4_request"


def form(
    credentials: Credentials, scope: Scope, bucket: str, fields: Mapping[str, str], size_max: int, seconds: int
) -> dict[str, str]:
    """Sign a form that puts one object into the bucket: the fields to send before the file.

    `fields` (the key among them) must be sent as they are; the file has 1 to `size_max` bytes; the form is good for so
    many `seconds`.
    """
    fixed = {
        **fields,
        "x-amz-algorithm": _ALGORITHM,
        "x-amz-credential": f"{credentials.key_id}/{scope.name}",
        "x-amz-date": scope.stamp,
    }
    if credentials.token:
        fixed["x-amz-security-token"] = credentials.token
    conditions: list[Any] = [{"bucket": bucket}, *({name: value} for name, value in fixed.items())]
    conditions.append(["content-length-range", 1, size_max])
    until = (scope.at.astimezone(UTC) + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")
    policy = base64.b64encode(msgspec.json.encode({"expiration": until, "conditions": conditions})).decode()
    return {**fixed, "policy": policy, "x-amz-signature": sign(credentials, scope, policy)}


def headers(
    credentials: Credentials, scope: Scope, method: str, host: str, path: str, extra: Mapping[str, str], digest: str
) -> dict[str, str]:
    """Sign a request whose body has this digest: the headers to send, `extra` and the host among those that are signed.

    The path has nothing in it that would be written otherwise in an address, and `extra` no space beside a space.
    """
    stamp = scope.stamp
    sent = {**{name.lower(): value for name, value in extra.items()}, "host": host, "x-amz-date": stamp}
    if credentials.token:
        sent["x-amz-security-token"] = credentials.token
    names = ";".join(sorted(sent))
    lines = "".join(f"{name}:{sent[name].strip()}\n" for name in sorted(sent))
    request = hashlib.sha256(f"{method}\n{path}\n\n{lines}\n{names}\n{digest}".encode()).hexdigest()
    signature = sign(credentials, scope, f"{_ALGORITHM}\n{stamp}\n{scope.name}\n{request}")
    who = f"Credential={credentials.key_id}/{scope.name}"
    return sent | {"authorization": f"{_ALGORITHM} {who}, SignedHeaders={names}, Signature={signature}"}


def sign(credentials: Credentials, scope: Scope, text: str) -> str:
    """Sign a text, in hexadecimal digits."""
    return hmac.digest(_key(credentials.secret, scope.name), text.encode(), "sha256").hex()


@functools.lru_cache(maxsize=8)
def _key(secret: str, scope: str) -> bytes:
    """Derive the key of a scope, which stays the same for a day."""
    key = f"AWS4{secret}".encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    return key
