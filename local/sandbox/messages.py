"""WeChat's side of the message push: an event, encrypted and signed with the keys that the mini-program has with it."""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
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


def push(keys: Keys, event: dict[str, Any], now: float) -> tuple[str, bytes]:
    """The query and the body with which WeChat tells this event at that time (Unix seconds)."""
    message = {"ToUserName": "gh_sandbox", "MsgType": "event", "CreateTime": int(now), **event}
    content = _encrypted(keys, json.dumps(message).encode())
    parts = {"timestamp": str(int(now)), "nonce": str(secrets.randbelow(10**10))}
    query = {
        "signature": _signature(keys, *parts.values()),
        **parts,
        "openid": str(message.get("FromUserName", "")),
        "encrypt_type": "aes",
        "msg_signature": _signature(keys, *parts.values(), content),
    }
    return urlencode(query), json.dumps({"ToUserName": "gh_sandbox", "Encrypt": content}).encode()


def tell(keys: Keys, url: str, event: dict[str, Any], now: float) -> requests.Response:
    """Send the event to the mall once; what it answered. Raises requests' exceptions."""
    query, content = push(keys, event, now)
    return requests.post(f"{url}{'&' if '?' in url else '?'}{query}", data=content, timeout=SECONDS)


def _signature(keys: Keys, *parts: str) -> str:
    return hashlib.sha1("".join(sorted([keys.message_token, *parts])).encode()).hexdigest()  # noqa: S324


def _encrypted(keys: Keys, message: bytes) -> str:
    plain = secrets.token_bytes(16) + len(message).to_bytes(4, "big") + message + keys.appid.encode()
    pad = _BLOCK - len(plain) % _BLOCK
    key = base64.b64decode(keys.message_key + "=")
    encryptor = Cipher(AES(key), CBC(key[:16])).encryptor()
    return base64.b64encode(encryptor.update(plain + bytes([pad]) * pad) + encryptor.finalize()).decode()
