"""WeChat's messages to the mini-program's server (消息推送): events, signed and encrypted with keys of their own.

https://developers.weixin.qq.com/miniprogram/dev/framework/server-ability/message-push.html. A message is believed only
when its signature, its time and the appid inside of it are right. Plain and compatible mode are not taken: in the
console of the mini-program, secure mode (安全模式) is chosen, with JSON or XML.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping
from typing import Any
from xml.etree import ElementTree as ET

import msgspec
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC

from chalicelib.core import clock
from chalicelib.core.settings import secret, settings
from chalicelib.gateways.wechat.errors import CallbackRejected

#: How far a message's time may be from ours, in seconds: an old one that somebody kept is not taken.
_WINDOW_SECONDS = 300
_BLOCK = 32
#: Random bytes before a message, and the four of its length.
_RANDOM, _LENGTH = 16, 4


def signed_echo(query: Mapping[str, str]) -> str:
    """Give `echostr`, which WeChat wants back when the address is entered in its console. Raises CallbackRejected."""
    _check(query, query.get("signature", ""), "")
    return query.get("echostr", "")


def read_message(query: Mapping[str, str], body: bytes) -> dict[str, Any]:
    """Give the fields of the message that WeChat has sent with this query and body. Raises CallbackRejected."""
    encrypted = _fields(body).get("Encrypt")
    if not isinstance(encrypted, str) or not encrypted:
        raise CallbackRejected("malformed")
    _check(query, query.get("msg_signature", ""), encrypted)
    return _fields(_opened(encrypted))


def signature(*parts: str) -> str:
    """Sign these parts with the token of the messages, as WeChat does: SHA-1 of all of them in order."""
    return hashlib.sha1("".join(sorted([secret("wechat_message_token"), *parts])).encode()).hexdigest()  # noqa: S324


def _check(query: Mapping[str, str], given: str, encrypted: str) -> None:
    timestamp, nonce = query.get("timestamp", ""), query.get("nonce", "")
    parts = [timestamp, nonce] + ([encrypted] if encrypted else [])
    if not hmac.compare_digest(signature(*parts).encode(), given.encode()):
        raise CallbackRejected("signature")
    if not (timestamp.isascii() and timestamp.isdigit()) or abs(clock.unix() - int(timestamp)) > _WINDOW_SECONDS:
        raise CallbackRejected("time")


def _opened(encrypted: str) -> bytes:
    """The message inside: 16 random bytes, its length, itself, the appid; padded to blocks of 32 (PKCS #7)."""
    try:
        key = base64.b64decode(secret("wechat_message_key") + "=", validate=True)
        decryptor = Cipher(AES(key), CBC(key[:16])).decryptor()
        plain = decryptor.update(base64.b64decode(encrypted, validate=True)) + decryptor.finalize()
    except (binascii.Error, ValueError):
        raise CallbackRejected("undecryptable") from None
    pad = plain[-1] if plain else 0
    content = plain[: len(plain) - pad]
    if not 1 <= pad <= _BLOCK or plain[len(content) :] != bytes([pad]) * pad or len(content) < _RANDOM + _LENGTH:
        raise CallbackRejected("undecryptable")
    end = _RANDOM + _LENGTH + int.from_bytes(content[_RANDOM : _RANDOM + _LENGTH], "big")
    if content[end:].decode(errors="replace") != settings().wechat_appid:
        raise CallbackRejected("foreign")
    return content[_RANDOM + _LENGTH : end]


def _fields(text: bytes) -> dict[str, Any]:
    """The fields of a message in JSON or in XML, whichever it is. Raises CallbackRejected."""
    try:
        if not text.lstrip().startswith(b"<"):
            return msgspec.json.decode(text, type=dict[str, Any])
        # WeChat sends none of these, and they are how a parser is attacked; in UTF-16 they would look otherwise.
        if b"\0" in text or b"<!DOCTYPE" in text or b"<!ENTITY" in text:
            raise CallbackRejected("malformed")
        return {child.tag: _value(child) for child in ET.fromstring(text)}  # noqa: S314
    except (msgspec.MsgspecError, ET.ParseError, UnicodeDecodeError, RecursionError):
        raise CallbackRejected("malformed") from None


def _value(element: ET.Element) -> Any:
    return {child.tag: _value(child) for child in element} if len(element) else element.text or ""
