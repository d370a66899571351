"""WeChat's messages: believed by their signature, time and appid alone, and read as WeChat's own examples have them."""

from __future__ import annotations

import base64
import hashlib
import secrets
from collections.abc import Iterator
from typing import Any

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.core import settings
from chalicelib.customers.members.content.rules import verdict_of
from chalicelib.gateways.wechat import messages
from chalicelib.gateways.wechat.errors import CallbackRejected

#: WeChat's example: https://developers.weixin.qq.com/miniprogram/dev/framework/server-ability/message-push.html
TOKEN, KEY, APPID = "AAAAA", "A" * 43, "wxba5fad812f8e6fb9"
ECHO = {
    "signature": "f464b24fc39322e44b38aa78f5edd27bd1441696", "timestamp": "1714036504", "nonce": "1514711492",
    "echostr": "4375120948345356249",
}  # fmt: skip
PUSH = {
    "msg_signature": "046e02f8204d34f8ba5fa3b1db94908f3df2e9b3", "timestamp": "1714112445", "nonce": "415670741",
    "encrypt_type": "aes", "signature": "not looked at",
}  # fmt: skip
ENCRYPTED = (
    "+qdx1OKCy+5JPCBFWw70tm0fJGb2Jmeia4FCB7kao+/Q5c/ohsOzQHi8khUOb05JCpj0JB4RvQMkUyus8TPxLKJGQqcvZqzDpVzazhZv6JsXUnnR8X"
    "GT740XgXZUXQ7vJVnAG+tE8NUd4yFyjPy7GgiaviNrlCTj+l5kdfMuFUPpRSrfMZuMcp3Fn2Pede2IuQrKEYwKSqFIZoNqJ4M8EajAsjLY2km32IIj"
    "df8YL/P50F7mStwntrA2cPDrM1kb6mOcfBgRtWygb3VIYnSeOBrebufAlr7F9mFUPAJGj04="
)


@pytest.fixture(autouse=True)
def wechat(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    before = settings._environment
    keys = {"WECHAT_MESSAGE_TOKEN": TOKEN, "WECHAT_MESSAGE_KEY": KEY, "WECHAT_APPID": APPID}
    settings.use(dict(before) | {f"YUTANG_{name}": value for name, value in keys.items()})
    yield
    settings.use(before)


def at(monkeypatch: pytest.MonkeyPatch, seconds: str, later: int = 0) -> None:
    monkeypatch.setattr(messages.clock, "unix", lambda: int(seconds) + later)


def envelope(encrypted: str) -> bytes:
    return b'{"ToUserName": "gh_97417a04a28d", "Encrypt": "%s"}' % encrypted.encode()


def refused(reason: str, query: dict[str, str], body: bytes) -> None:
    with pytest.raises(CallbackRejected) as fault:
        messages.read_message(query, body)
    assert fault.value.reason == reason


def test_wechats_own_example_of_an_address_is_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    at(monkeypatch, ECHO["timestamp"])
    assert messages.signed_echo(ECHO) == ECHO["echostr"]


@pytest.mark.parametrize("field", ["signature", "timestamp", "nonce"])
def test_an_address_is_proved_to_nobody_else(field: str, monkeypatch: pytest.MonkeyPatch) -> None:
    at(monkeypatch, ECHO["timestamp"])
    for query in (ECHO | {field: ""}, ECHO | {field: ECHO[field][:-1] + "7"}):
        with pytest.raises(CallbackRejected):
            messages.signed_echo(query)


def test_wechats_own_example_of_a_message_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    at(monkeypatch, PUSH["timestamp"])
    for body in (
        envelope(ENCRYPTED),
        f"<xml><ToUserName><![CDATA[gh]]></ToUserName><Encrypt><![CDATA[{ENCRYPTED}]]></Encrypt></xml>".encode(),
    ):
        message = messages.read_message(PUSH, body).fields
        assert (message["MsgType"], message["Event"]) == ("event", "debug_demo")


@pytest.mark.parametrize("later", [-301, 301])
def test_an_old_message_is_not_taken(later: int, monkeypatch: pytest.MonkeyPatch) -> None:
    at(monkeypatch, PUSH["timestamp"], later)
    refused("time", PUSH, envelope(ENCRYPTED))
    at(monkeypatch, PUSH["timestamp"], later - (1 if later > 0 else -1))
    messages.read_message(PUSH, envelope(ENCRYPTED))


@pytest.mark.parametrize("field", ["msg_signature", "timestamp", "nonce"])
def test_a_message_that_anything_is_changed_of_is_not_taken(field: str, monkeypatch: pytest.MonkeyPatch) -> None:
    at(monkeypatch, PUSH["timestamp"])
    refused("signature", PUSH | {field: PUSH[field][:-1] + "0"}, envelope(ENCRYPTED))
    refused("signature", PUSH, envelope(ENCRYPTED[:-2] + "0="))


def encrypted(message: bytes, appid: str = APPID, pad: int | None = None, length: int | None = None) -> str:
    plain = secrets.token_bytes(16) + (len(message) if length is None else length).to_bytes(4, "big") + message
    plain += appid.encode()
    pad = 32 - len(plain) % 32 if pad is None else pad
    plain += bytes([pad]) * (32 - len(plain) % 32)
    key = base64.b64decode(KEY + "=")
    encryptor = Cipher(AES(key), CBC(key[:16])).encryptor()
    return base64.b64encode(encryptor.update(plain) + encryptor.finalize()).decode()


def signed(content: str, seconds: str = PUSH["timestamp"]) -> dict[str, str]:
    parts = sorted([TOKEN, seconds, "n", content])
    digest = hashlib.sha1("".join(parts).encode()).hexdigest()
    return {"msg_signature": digest, "timestamp": seconds, "nonce": "n"}


@given(text=st.text(max_size=200))
def test_a_message_of_any_length_comes_out_as_it_went_in(text: str) -> None:
    with pytest.MonkeyPatch.context() as patch:
        at(patch, PUSH["timestamp"])
        content = encrypted(messages.msgspec.json.encode({"Event": text}))
        assert messages.read_message(signed(content), envelope(content)).fields == {"Event": text}


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"appid": "wx-of-others"}, "foreign"), ({"pad": 0}, "undecryptable"), ({"pad": 33}, "undecryptable"),
        ({"length": 9999}, "foreign"), ({"message": b"<xml"}, "malformed"), ({"message": b"[1]"}, "malformed"),
        ({"message": b'<!DOCTYPE x [<!ENTITY a "b">]><xml><Event>&a;</Event></xml>'}, "malformed"),
    ],
)  # fmt: skip
def test_what_is_signed_and_still_no_message_of_ours_is_not_taken(
    changed: dict[str, Any], reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    at(monkeypatch, PUSH["timestamp"])
    content = encrypted(**({"message": b'{"Event": "x"}'} | changed))
    refused(reason, signed(content), envelope(content))


@pytest.mark.parametrize("content", ["", "AAAA", "not base64!", base64.b64encode(b"x" * 33).decode()])
def test_what_cannot_be_decrypted_is_not_taken(content: str, monkeypatch: pytest.MonkeyPatch) -> None:
    at(monkeypatch, PUSH["timestamp"])
    refused("malformed" if not content else "undecryptable", signed(content), envelope(content))


@pytest.mark.parametrize("body", [b"", b"{", b"<xml>", b"[]", b'{"Encrypt": 1}', b"\xff", b"<a/>", b"{}"])
def test_a_body_without_a_message_is_not_taken(body: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    at(monkeypatch, PUSH["timestamp"])
    refused("malformed", PUSH, body)


def test_what_stands_within_a_field_of_xml_is_read_as_of_json(monkeypatch: pytest.MonkeyPatch) -> None:
    at(monkeypatch, PUSH["timestamp"])
    text = b"<xml><Event>wxa_media_check</Event><errcode>0</errcode><result><suggest>risky</suggest></result></xml>"
    content = encrypted(text)
    message = messages.read_message(signed(content), envelope(content)).fields
    assert message == {"Event": "wxa_media_check", "errcode": "0", "result": {"suggest": "risky"}}
    assert verdict_of(message) == "risky"


def test_no_entity_is_looked_at_however_it_is_written(monkeypatch: pytest.MonkeyPatch) -> None:
    at(monkeypatch, PUSH["timestamp"])
    bomb = '<!DOCTYPE x [<!ENTITY a "AAAA">]><xml><Encrypt>&a;&a;</Encrypt></xml>'
    for body in (bomb.encode(), bomb.encode("utf-16-le"), bomb.encode("utf-16")):
        refused("malformed", PUSH, body)
