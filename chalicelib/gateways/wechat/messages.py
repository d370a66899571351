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
#: In XML, where the items of an event lie that has several.
_FLOORS = ("SubscribeMsgPopupEvent", "SubscribeMsgChangeEvent", "SubscribeMsgSentEvent")
#: What users send; anything else is an event.
_WRITTEN = frozenset({"text", "image", "voice", "video", "shortvideo", "location", "link", "miniprogrampage"})
#: Random bytes before a message, and the four of its length.
_RANDOM, _LENGTH = 16, 4


class Message(msgspec.Struct, frozen=True):
    """The fields of a message, and the appid of the account that it was sent to."""

    appid: str
    fields: dict[str, Any]


class Choice(msgspec.Struct, frozen=True):
    """What a user said when they were asked for a subscribe message of this template, or later in WeChat's settings.
    One event may have several of one template: `index` tells them apart, from 0."""

    template_id: str
    accepts: bool
    index: int


class Ended(msgspec.Struct, frozen=True):
    """What became of a message that WeChat had taken: `number` is WeChat's own. `code` says why it was not delivered,
    "" where it was: an errcode of a subscribe message, `user block` or `system failed` of a template message."""

    number: str
    template_id: str
    code: str


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


def choices(fields: Mapping[str, Any]) -> list[Choice]:
    """Read an event subscribe_msg_popup_event or subscribe_msg_change_event, in its order; what is no choice of a
    template is left out."""
    said = [(str(one.get("TemplateId") or ""), one.get("SubscribeStatusString")) for one in _items(fields)]
    return [
        Choice(template_id, status == "accept", index)
        for index, (template_id, status) in enumerate(said)
        if template_id and status in ("accept", "reject")
    ]


def sent(fields: Mapping[str, Any]) -> list[Ended]:
    """Read an event subscribe_msg_sent_event of the mini-program's, or the official account's
    TEMPLATESENDJOBFINISH."""
    if fields.get("Event") == "TEMPLATESENDJOBFINISH":
        status = str(fields.get("Status") or "")
        return [Ended(_number(fields), "", "" if status == "success" else status.removeprefix("failed:").strip())]
    found = []
    for one in _items(fields):
        code = str(one.get("ErrorCode") or "0")
        found.append(Ended(_number(one), str(one.get("TemplateId") or ""), "" if code == "0" else code))
    return found


def opens_window(fields: Mapping[str, Any]) -> bool:
    """Tell whether the user has written to the account, which opens customer service's 48 hours."""
    return fields.get("MsgType") in _WRITTEN


def _items(fields: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The items of an event that has several: in XML they lie one floor deeper, and one alone is no list."""
    inside = next((fields[name] for name in _FLOORS if isinstance(fields.get(name), dict)), fields)
    items = inside.get("List")
    return [one for one in (items if isinstance(items, list) else [items]) if isinstance(one, dict)]


def _number(fields: Mapping[str, Any]) -> str:
    return str(fields.get("MsgID") or fields.get("MsgId") or "")


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
        return _children(ET.fromstring(text))  # noqa: S314
    except (msgspec.MsgspecError, ET.ParseError, UnicodeDecodeError, RecursionError):
        raise CallbackRejected("malformed") from None


def _value(element: ET.Element) -> Any:
    return _children(element) if len(element) else element.text or ""


def _children(element: ET.Element) -> dict[str, Any]:
    """What is inside, by its tag; of a tag that comes several times, all of them."""
    found: dict[str, Any] = {}
    for child in element:
        value = _value(child)
        if child.tag not in found:
            found[child.tag] = value
        elif isinstance(found[child.tag], list):
            found[child.tag].append(value)
        else:
            found[child.tag] = [found[child.tag], value]
    return found
