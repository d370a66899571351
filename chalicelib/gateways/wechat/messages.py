"""WeChat's messages to the servers of the mini-program and of the official account (消息推送): events, signed and
encrypted with keys of their own; each of the two has its own.

https://developers.weixin.qq.com/miniprogram/dev/framework/server-ability/message-push.html. A message is believed only
when its signature, its time and the appid inside of it are right, all by one account's keys. Plain and compatible mode
are not taken: in the consoles, secure mode (安全模式) is chosen, with JSON or XML.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Iterator, Mapping
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


class Message(msgspec.Struct, frozen=True):
    """The fields of a message, and the appid of the account that it was sent to."""

    appid: str
    fields: dict[str, Any]


class _Account(msgspec.Struct, frozen=True):
    """Whose messages come: the appid, and the names of the secrets that its console shares with the mall."""

    appid: str
    token: str
    key: str


def _accounts() -> Iterator[_Account]:
    yield _Account(settings().wechat_appid, "wechat_message_token", "wechat_message_key")
    if settings().wechat_oa_appid:
        yield _Account(settings().wechat_oa_appid, "wechat_oa_message_token", "wechat_oa_message_key")


def signed_echo(query: Mapping[str, str]) -> str:
    """Give `echostr`, which WeChat wants back when the address is entered in a console. Raises CallbackRejected."""
    _sender(query, query.get("signature", ""), "")
    return query.get("echostr", "")


def read_message(query: Mapping[str, str], body: bytes) -> Message:
    """Read the message that WeChat has sent with this query and body. Raises CallbackRejected."""
    encrypted = _fields(body).get("Encrypt")
    if not isinstance(encrypted, str) or not encrypted:
        raise CallbackRejected("malformed")
    account = _sender(query, query.get("msg_signature", ""), encrypted)
    return Message(account.appid, _fields(_opened(encrypted, account)))


def signature(token: str, *parts: str) -> str:
    """Sign these parts with the token of an account's messages, as WeChat does: SHA-1 of all of them in order."""
    return hashlib.sha1("".join(sorted([token, *parts])).encode()).hexdigest()  # noqa: S324


def _sender(query: Mapping[str, str], given: str, encrypted: str) -> _Account:
    """Find the account by whose token it is signed."""
    timestamp, nonce = query.get("timestamp", ""), query.get("nonce", "")
    parts = [timestamp, nonce] + ([encrypted] if encrypted else [])
    by_it = (one for one in _accounts() if _is_signed(secret(one.token), parts, given))
    account = next(by_it, None)
    if account is None:
        raise CallbackRejected("signature")
    if not (timestamp.isascii() and timestamp.isdigit()) or abs(clock.unix() - int(timestamp)) > _WINDOW_SECONDS:
        raise CallbackRejected("time")
    return account


def _is_signed(token: str, parts: list[str], given: str) -> bool:
    return hmac.compare_digest(signature(token, *parts).encode(), given.encode())


def _opened(encrypted: str, account: _Account) -> bytes:
    """The message inside: 16 random bytes, its length, itself, the appid; padded to blocks of 32 (PKCS #7)."""
    try:
        key = base64.b64decode(secret(account.key) + "=", validate=True)
        decryptor = Cipher(AES(key), CBC(key[:16])).decryptor()
        plain = decryptor.update(base64.b64decode(encrypted, validate=True)) + decryptor.finalize()
    except (binascii.Error, ValueError):
        raise CallbackRejected("undecryptable") from None
    pad = plain[-1] if plain else 0
    content = plain[: len(plain) - pad]
    if not 1 <= pad <= _BLOCK or plain[len(content) :] != bytes([pad]) * pad or len(content) < _RANDOM + _LENGTH:
        raise CallbackRejected("undecryptable")
    end = _RANDOM + _LENGTH + int.from_bytes(content[_RANDOM : _RANDOM + _LENGTH], "big")
    if content[end:].decode(errors="replace") != account.appid:
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
