"""WeChat's side of the message push: an event, encrypted and signed with the keys that the account has with it."""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import requests
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC

from local.keys import Keys

_BLOCK = 32
#: How long WeChat waits for an answer.
SECONDS = 5


@dataclass(frozen=True)
class Account:
    """An account at WeChat, and what its console shares with the merchant."""

    appid: str
    token: str
    key: str


def of_mini(keys: Keys) -> Account:
    """The mini-program."""
    return Account(keys.appid, keys.message_token, keys.message_key)


def of_oa(keys: Keys) -> Account:
    """The official account."""
    return Account(keys.oa_appid, keys.oa_message_token, keys.oa_message_key)


def push(account: Account, event: dict[str, Any], now: float) -> tuple[str, bytes]:
    """The query and the body with which WeChat tells this event at that time (Unix seconds)."""
    message = {"ToUserName": "gh_sandbox", "MsgType": "event", "CreateTime": int(now), **event}
    content = _encrypted(account, json.dumps(message).encode())
    parts = {"timestamp": str(int(now)), "nonce": str(secrets.randbelow(10**10))}
    query = {
        "signature": _signature(account, *parts.values()),
        **parts,
        "openid": str(message.get("FromUserName", "")),
        "encrypt_type": "aes",
        "msg_signature": _signature(account, *parts.values(), content),
    }
    return urlencode(query), json.dumps({"ToUserName": "gh_sandbox", "Encrypt": content}).encode()


def tell(account: Account, url: str, event: dict[str, Any], now: float) -> requests.Response:
    """Send the event to the mall once; what it answered. Raises requests' exceptions."""
    query, content = push(account, event, now)
    return requests.post(f"{url}{'&' if '?' in url else '?'}{query}", data=content, timeout=SECONDS)


def _signature(account: Account, *parts: str) -> str:
    return hashlib.sha1("".join(sorted([account.token, *parts])).encode()).hexdigest()  # noqa: S324


def _encrypted(account: Account, message: bytes) -> str:
    plain = secrets.token_bytes(16) + len(message).to_bytes(4, "big") + message + account.appid.encode()
    pad = _BLOCK - len(plain) % _BLOCK
    key = base64.b64decode(account.key + "=")
    encryptor = Cipher(AES(key), CBC(key[:16])).encryptor()
    return base64.b64encode(encryptor.update(plain + bytes([pad]) * pad) + encryptor.finalize()).decode()
