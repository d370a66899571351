"""How the vendors of SMS look at a call's signature: by their own documents, not by the mall's code."""

from __future__ import annotations

import hashlib
import hmac
import re
from datetime import UTC, datetime
from urllib.parse import quote

import flask

from local.sandbox.world import World

#: How old, or how far ahead, the time of a call may be, in seconds: at Tencent, at Aliyun.
_TENCENT_SECONDS, _ALIYUN_SECONDS = 300, 900
_TENCENT = re.compile(
    r"TC3-HMAC-SHA256 Credential=([^/]+)/([0-9-]{10})/sms/tc3_request, SignedHeaders=([a-z0-9;-]+), "
    r"Signature=([0-9a-f]{64})"
)
_ALIYUN = re.compile(r"ACS3-HMAC-SHA256 Credential=([^,]+),SignedHeaders=([a-z0-9;-]+),Signature=([0-9a-f]{64})")
#: What Aliyun wants to be signed at least.
_ALIYUN_HEADERS = {
    "host",
    "x-acs-action",
    "x-acs-version",
    "x-acs-date",
    "x-acs-signature-nonce",
    "x-acs-content-sha256",
}


def tencent_fault(world: World, request: flask.Request) -> str | None:
    """Tencent's word for what is wrong with a call, if anything is."""
    headers = request.headers
    found = _TENCENT.fullmatch(headers.get("Authorization", ""))
    if found is None:
        return "AuthFailure.InvalidAuthorization"
    key_id, day, names, given = found.groups()
    stamp = headers.get("X-TC-Timestamp", "")
    if not stamp.isdecimal() or abs(world.clock() - int(stamp)) > _TENCENT_SECONDS:
        return "AuthFailure.SignatureExpire"
    if key_id != world.keys.sms_key_id:
        return "AuthFailure.SecretIdNotFound"
    if not {"content-type", "host"} <= set(names.split(";")) or day != _day(int(stamp)):
        return "AuthFailure.SignatureFailure"
    canonical = _canonical(request, names, "", hashlib.sha256(request.get_data()).hexdigest())
    text = "\n".join(("TC3-HMAC-SHA256", stamp, f"{day}/sms/tc3_request", canonical))
    signing = _mac(_mac(_mac(b"TC3" + world.keys.sms_key.encode(), day), "sms"), "tc3_request")
    if not hmac.compare_digest(_mac(signing, text).hex(), given):
        return "AuthFailure.SignatureFailure"
    if headers.get("X-TC-Action") != "SendSms":
        return "InvalidAction"
    if headers.get("X-TC-Version") != "2021-01-11":
        return "NoSuchVersion"
    return None if headers.get("X-TC-Region") else "MissingParameter"


def aliyun_fault(world: World, request: flask.Request) -> tuple[str, int] | None:
    """Aliyun's word for what is wrong with a call, if anything is, and the status that it answers."""
    headers = request.headers
    found = _ALIYUN.fullmatch(headers.get("Authorization", ""))
    if found is None:
        return "IncompleteSignature", 400
    key_id, names, given = found.groups()
    if key_id != world.keys.sms_key_id:
        return "InvalidAccessKeyId.NotFound", 404
    payload = headers.get("x-acs-content-sha256", "")
    if not set(names.split(";")) >= _ALIYUN_HEADERS or payload != hashlib.sha256(request.get_data()).hexdigest():
        return "SignatureDoesNotMatch", 400
    parts = sorted(f"{_escaped(name)}={_escaped(value)}" for name, value in request.args.items())
    text = f"ACS3-HMAC-SHA256\n{_canonical(request, names, '&'.join(parts), payload)}"
    if not hmac.compare_digest(_mac(world.keys.sms_key.encode(), text).hex(), given):
        return "SignatureDoesNotMatch", 400
    if not _is_recent(world, headers.get("x-acs-date", "")):
        return "InvalidTimeStamp.Expired", 400
    if not _is_new(world, headers.get("x-acs-signature-nonce", "")):
        return "SignatureNonceUsed", 400
    if headers.get("x-acs-action") != "SendSms" or headers.get("x-acs-version") != "2017-05-25":
        return "InvalidAction.NotFound", 404
    return None


def _canonical(request: flask.Request, names: str, query: str, payload: str) -> str:
    """The hash of the request as both vendors write it down."""
    lines = [f"{name}:{request.headers.get(name, '').strip()}" for name in names.split(";")]
    request_text = "\n".join((request.method, "/", query, *lines, "", names, payload))
    return hashlib.sha256(request_text.encode()).hexdigest()


def _is_recent(world: World, date: str) -> bool:
    try:
        at = datetime.strptime(date, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
    except ValueError:
        return False
    return abs(world.clock() - at.timestamp()) <= _ALIYUN_SECONDS


def _is_new(world: World, nonce: str) -> bool:
    with world.store.transaction() as db:
        known = db.execute("SELECT 1 FROM nonce WHERE nonce = ?", (f"sms {nonce}",)).fetchone()
        if known is None:
            db.execute("INSERT INTO nonce (nonce, at) VALUES (?, ?)", (f"sms {nonce}", world.clock()))
    return known is None and bool(nonce)


def _day(unix: int) -> str:
    return datetime.fromtimestamp(unix, UTC).strftime("%Y-%m-%d")


def _escaped(text: str) -> str:
    return quote(text, safe="-_.~")


def _mac(key: bytes, text: str) -> bytes:
    return hmac.digest(key, text.encode(), "sha256")
