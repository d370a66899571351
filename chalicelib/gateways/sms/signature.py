"""How the two vendors want a call to be signed: TC3-HMAC-SHA256 (Tencent Cloud) and ACS3-HMAC-SHA256 (Aliyun).

Source: cloud.tencent.com/document/api/382/52071, "签名方法 v3"; help.aliyun.com, "V3版本请求体&签名机制".
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from datetime import UTC, datetime
from urllib.parse import quote


def tc3(key_id: str, key: str, service: str, headers: Mapping[str, str], body: bytes, timestamp: int) -> str:
    """Give the header Authorization of a POST to Tencent Cloud at that Unix second.

    `headers` are those that are signed, with lower-case names; at least content-type and host.
    """
    day = datetime.fromtimestamp(timestamp, UTC).date().isoformat()
    scope = f"{day}/{service}/tc3_request"
    request = _canonical("", headers, _sha256(body))
    message = f"TC3-HMAC-SHA256\n{timestamp}\n{scope}\n{_sha256(request)}"
    derived = f"TC3{key}".encode()
    for part in scope.split("/"):
        derived = _hmac(derived, part).digest()
    signed = _hmac(derived, message).hexdigest()
    return f"TC3-HMAC-SHA256 Credential={key_id}/{scope}, SignedHeaders={_names(headers)}, Signature={signed}"


def acs3(key_id: str, key: str, query: Mapping[str, str], headers: Mapping[str, str]) -> str:
    """Give the header Authorization of a POST to Aliyun; `headers` are those that are signed, with lower-case names:
    host, content-type where there is one, and all that begin with x-acs-."""
    request = _canonical(encoded(query), headers, headers["x-acs-content-sha256"])
    signed = _hmac(key.encode(), f"ACS3-HMAC-SHA256\n{_sha256(request)}").hexdigest()
    return f"ACS3-HMAC-SHA256 Credential={key_id},SignedHeaders={_names(headers)},Signature={signed}"


def encoded(query: Mapping[str, str]) -> str:
    """Give the query as it is signed: in order, all but letters, digits and -_.~ as %XX."""
    return "&".join(f"{quote(name, safe='')}={quote(query[name], safe='')}" for name in sorted(query))


def hashed(body: bytes) -> str:
    """Give the SHA-256 of a body, in hexadecimal digits."""
    return _sha256(body)


def _canonical(query: str, headers: Mapping[str, str], payload: str) -> bytes:
    lines = "".join(f"{name}:{headers[name].strip()}\n" for name in sorted(headers))
    return f"POST\n/\n{query}\n{lines}\n{_names(headers)}\n{payload}".encode()


def _names(headers: Mapping[str, str]) -> str:
    return ";".join(sorted(headers))


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _hmac(key: bytes, message: str) -> hmac.HMAC:
    return hmac.new(key, message.encode(), hashlib.sha256)
