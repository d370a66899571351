"""Signature Version 4 of S3: of a form that somebody else posts, and of a request of the mall's own. Pure.

By hand, since botocore would read S3's description (decision 31); a test holds both against botocore's.
Source: docs.aws.amazon.com/AmazonS3/latest/API, "Authenticating Requests", "POST Policy".
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

_ALGORITHM = "AWS4-HMAC-SHA256"
#: What a body that is not signed has in place of its digest; it goes over TLS.
UNSIGNED = "UNSIGNED-PAYLOAD"


class Credentials(msgspec.Struct, frozen=True):
    """A key, its secret, and the session's token where they are temporary."""

    key_id: str
    secret: str
    token: str = ""


class Scope(msgspec.Struct, frozen=True):
    """In which region, and when."""

    region: str
    at: datetime

    @property
    def stamp(self) -> str:
        """The instant as S3 writes it."""
        return self.at.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")

    @property
    def name(self) -> str:
        """What the credentials are good for."""
        return f"{self.stamp[:8]}/{self.region}/s3/aws4_request"


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
    credentials: Credentials, scope: Scope, method: str, host: str, path: str, extra: Mapping[str, str]
) -> dict[str, str]:
    """Sign a request without a body: the headers to send, `extra` and the host among those that are signed.

    The path has nothing in it that would be written otherwise in an address.
    """
    sent = {
        **{name.lower(): value for name, value in extra.items()},
        "host": host,
        "x-amz-content-sha256": UNSIGNED,
        "x-amz-date": scope.stamp,
    }
    if credentials.token:
        sent["x-amz-security-token"] = credentials.token
    names = ";".join(sorted(sent))
    lines = "".join(f"{name}:{sent[name].strip()}\n" for name in sorted(sent))
    request = f"{method}\n{path}\n\n{lines}\n{names}\n{UNSIGNED}"
    digest = hashlib.sha256(request.encode()).hexdigest()
    signature = sign(credentials, scope, f"{_ALGORITHM}\n{scope.stamp}\n{scope.name}\n{digest}")
    who = f"Credential={credentials.key_id}/{scope.name}"
    return sent | {"authorization": f"{_ALGORITHM} {who}, SignedHeaders={names}, Signature={signature}"}


def sign(credentials: Credentials, scope: Scope, text: str) -> str:
    """Sign a text, in hexadecimal digits."""
    key = f"AWS4{credentials.secret}".encode()
    for part in (scope.stamp[:8], scope.region, "s3", "aws4_request"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()
