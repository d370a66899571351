"""Files in the mall's bucket: a form to upload one, a look at it, and what becomes of it.

What is uploaded lies under `private/`, which nobody but the mall reads; what is published lies under `public/`, which
everybody reads at `address`. The store is S3, or the sandbox of a local mall, which checks the same signatures.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import botocore.session
import msgspec

from chalicelib.core import clock, signature
from chalicelib.core.errors import OutsideError, unavailable
from chalicelib.core.settings import settings
from chalicelib.core.trace import segment

PRIVATE = "private/"
PUBLIC = "public/"
_CONNECT_SECONDS = 2.0
_READ_SECONDS = 5.0
_MISSING, _CHANGED, _UNREADABLE_RANGE, _BUSY = 404, 412, 416, 500
#: A published file never changes under its name.
_CACHE = "public, max-age=31536000, immutable"


class StoreError(OutsideError):
    """The store refused, or no answer came. The text has the status or the fault's kind, and no address."""

    def __init__(self, code: str, *, is_passing: bool) -> None:
        super().__init__(f"objects {code}")
        self.code = code
        self._is_passing = is_passing

    @property
    def passing(self) -> bool:
        """Whether it may go away by itself."""
        return self._is_passing


class Form(msgspec.Struct, frozen=True):
    """Where a file is posted (multipart/form-data), and the fields that go before it."""

    url: str
    fields: dict[str, str]


class Looked(msgspec.Struct, frozen=True):
    """An object as it is: its size in bytes, how it begins, and what tells it from another in its place."""

    size: int
    start: bytes
    etag: str


def url() -> str:
    """Give the address of the bucket."""
    told = settings()
    suffix = "amazonaws.com.cn" if told.region.startswith("cn-") else "amazonaws.com"
    return told.uploads_url or f"https://{told.uploads_bucket}.s3.{told.region}.{suffix}"


def address(key: str) -> str:
    """Give the address at which everybody reads a public file."""
    return f"{settings().pictures_url or url()}/{key}"


def form(key: str, content_type: str, size_max: int, seconds: int) -> Form:
    """Make a form by which one file of this type, of at most so many bytes, is put at `key`, for so many seconds.

    Nothing is asked of the store. Raises `unavailable` where the mall has no bucket.
    """
    told = settings()
    if not told.uploads_bucket:
        raise unavailable()
    fields = {"key": key, "Content-Type": content_type, "success_action_status": "204"}
    scope = signature.Scope("s3", told.region, clock.now())
    signed = signature.form(_credentials(), scope, told.uploads_bucket, fields, size_max, seconds)
    return Form(f"{url()}/", signed)


def look(key: str, count: int) -> Looked | None:
    """Look at the object's size and its first bytes, at most `count`; None when it is not there. Raises StoreError."""
    reply = send("GET", key, {"range": f"bytes=0-{count - 1}"}, (_MISSING, _UNREADABLE_RANGE))
    if reply.status_code in (_MISSING, _UNREADABLE_RANGE):
        return None
    total = reply.headers.get("Content-Range", "").rpartition("/")[2]
    size = int(total) if total.isdecimal() else len(reply.content)
    return Looked(size, reply.content[:count], reply.headers.get("ETag", ""))


def publish(key: str, public: str, content_type: str, etag: str) -> bool:
    """Copy the object, as it was looked at, to where everybody reads it; False when it is not there any more, or
    another is in its place. Repeatable. Raises StoreError."""
    headers = {
        "x-amz-copy-source": f"/{settings().uploads_bucket}/{key}",
        "x-amz-copy-source-if-match": etag,
        "x-amz-metadata-directive": "REPLACE",
        "content-type": content_type,
        "cache-control": _CACHE,
    }
    reply = send("PUT", public, headers, (_MISSING, _CHANGED))
    if reply.status_code in (_MISSING, _CHANGED):
        return False
    if b"<Error>" in reply.content:  # S3 may find out after it has begun to answer
        raise StoreError("copy", is_passing=True)
    return True


def remove(key: str) -> None:
    """Remove the object; one that is not there is no fault. Raises StoreError."""
    send("DELETE", key, {}, (_MISSING,))


def send(method: str, key: str, headers: Mapping[str, str], also: tuple[int, ...] = ()) -> Any:
    """Send one signed request about the object at `key`. Raises StoreError unless its status is a 2xx, or one of
    `also`."""
    import requests  # only what asks the store pays for it

    where = urlsplit(f"{url()}/{key}")
    scope = signature.Scope("s3", settings().region, clock.now())
    told = {**headers, "x-amz-content-sha256": signature.UNSIGNED}
    signed = signature.headers(_credentials(), scope, method, where.netloc, where.path, told, signature.UNSIGNED)
    try:
        with segment("S3"), requests.Session() as session:
            session.trust_env = False  # neither proxies nor .netrc of the machine
            reply = session.request(
                method, where.geturl(), headers=signed, timeout=(_CONNECT_SECONDS, _READ_SECONDS), allow_redirects=False
            )
    except requests.RequestException as fault:
        raise StoreError(type(fault).__name__, is_passing=True) from None
    if not 200 <= reply.status_code < 300 and reply.status_code not in also:
        raise StoreError(str(reply.status_code), is_passing=reply.status_code >= _BUSY)
    return reply


@functools.cache
def _session() -> botocore.session.Session:
    return botocore.session.get_session()


def _credentials() -> signature.Credentials:
    """The function's own credentials, which its environment has. Raises `unavailable` where there are none."""
    found = _session().get_credentials()
    if found is None:
        raise unavailable()
    frozen = found.get_frozen_credentials()
    return signature.Credentials(frozen.access_key, frozen.secret_key, frozen.token or "")
