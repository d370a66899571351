"""WeChat Pay's side of the signatures: checks the merchant's requests, signs replies and notifications."""

from __future__ import annotations

import base64
import re
import secrets

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from local.keys import Keys

WINDOW_SECONDS = 300
_SCHEME = "WECHATPAY2-SHA256-RSA2048"
_OLD_SECONDS = 600
_UNKNOWN_SERIAL = "PUB_KEY_ID_" + "0" * 32
_FIELD = re.compile(r'(\w+)="([^"]*)"')


class Authorization(msgspec.Struct, frozen=True):
    """The fields of a request's Authorization header."""

    mchid: str
    nonce_str: str
    signature: str
    timestamp: str
    serial_no: str


class Signer:
    """The keys of WeChat Pay and the public half of the merchant's, parsed once."""

    def __init__(self, keys: Keys) -> None:
        self._keys = keys
        self._wechat = _private(keys.wechat_key)
        self._merchant = _private(keys.merchant_key).public_key()

    def flaw(self, header: str, method: str, path: str, body: bytes, now: float) -> str | None:
        """What is wrong with a request's Authorization header, or None; whether its nonce is new is asked elsewhere."""
        given = read_authorization(header)
        if given is None:
            return "Authorization不合法"
        if given.mchid != self._keys.mchid:
            return "商户号与签名不符"
        if given.serial_no != self._keys.merchant_serial:
            return "商户证书序列号有误"
        if not given.timestamp.isdigit() or abs(now - int(given.timestamp)) > WINDOW_SECONDS:
            return "Http头Authorization中的timestamp与发起请求的时间不得超过5分钟"
        message = f"{method}\n{path}\n{given.timestamp}\n{given.nonce_str}\n".encode() + body + b"\n"
        try:
            self._merchant.verify(base64.b64decode(given.signature), message, PKCS1v15(), SHA256())
        except (InvalidSignature, ValueError):
            return "签名错误，请检查后再试"
        return None

    def headers(self, body: bytes, now: float, defect: str | None = None) -> dict[str, str]:
        """The headers that sign `body`; `defect` (bad_signature, old, unknown_serial, probe) spoils them."""
        timestamp = int(now) - (_OLD_SECONDS if defect == "old" else 0)
        nonce = secrets.token_hex(16)
        message = f"{timestamp}\n{nonce}\n".encode() + body + b"\n"
        if defect in ("bad_signature", "probe"):
            message += b"not what is sent"
        signature = base64.b64encode(self._wechat.sign(message, PKCS1v15(), SHA256())).decode()
        return {
            "Wechatpay-Timestamp": str(timestamp),
            "Wechatpay-Nonce": nonce,
            "Wechatpay-Signature": ("WECHATPAY/SIGNTEST/" if defect == "probe" else "") + signature,
            "Wechatpay-Serial": _UNKNOWN_SERIAL if defect == "unknown_serial" else self._keys.wechat_key_id,
            "Wechatpay-Signature-Type": _SCHEME,
            "Request-ID": secrets.token_hex(16).upper(),
        }

    def encrypted(self, plain: bytes, kind: str) -> dict[str, str]:
        """The `resource` of a notification: `plain` under the APIv3 key; `kind` is its original_type."""
        nonce = secrets.token_hex(6)
        sealed = AESGCM(self._keys.apiv3_key.encode()).encrypt(nonce.encode(), plain, kind.encode())
        return {
            "original_type": kind,
            "algorithm": "AEAD_AES_256_GCM",
            "ciphertext": base64.b64encode(sealed).decode(),
            "associated_data": kind,
            "nonce": nonce,
        }


def read_authorization(header: str) -> Authorization | None:
    """The header's fields, or None when it is not of WeChat Pay's form."""
    scheme, _, fields = header.partition(" ")
    try:
        given = msgspec.convert(dict(_FIELD.findall(fields)), Authorization)
    except msgspec.ValidationError:
        return None
    return given if scheme == _SCHEME else None


def _private(pem: str) -> RSAPrivateKey:
    key = load_pem_private_key(pem.encode(), password=None)
    assert isinstance(key, RSAPrivateKey)
    return key
