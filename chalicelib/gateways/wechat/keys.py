"""The keys shared with WeChat Pay. Each is parsed once per process and never leaves this module."""

from __future__ import annotations

import base64
import binascii
import functools

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key

from chalicelib.core.settings import secret, secret_map


def sign(message: str) -> str:
    """`message` signed with the merchant's key (RSA-SHA256, PKCS#1 v1.5), in base64."""
    signature = _merchant_key(secret("wechat_merchant_key")).sign(message.encode(), PKCS1v15(), SHA256())
    return base64.b64encode(signature).decode()


def is_known(serial: str) -> bool:
    """Whether the ring holds WeChat's public key of that serial (or PUB_KEY_ID). The ring never grows by itself."""
    return serial in secret_map("wechat_pay_keys")


def is_signed(serial: str, message: bytes, signature: str) -> bool:
    """Whether `signature` (base64) of `message` was made with WeChat's key of that serial, which `is_known`."""
    try:
        raw = base64.b64decode(signature, validate=True)
        _wechat_key(secret_map("wechat_pay_keys")[serial]).verify(raw, message, PKCS1v15(), SHA256())
    except (binascii.Error, InvalidSignature, ValueError):  # ValueError: not ASCII
        return False
    return True


def reply_key_id() -> str | None:
    """The PUB_KEY_ID that WeChat shall sign its replies with; None while the mall only has certificates' keys."""
    return next((serial for serial in secret_map("wechat_pay_keys") if serial.startswith("PUB_KEY_ID_")), None)


def decrypt(ciphertext: bytes, nonce: bytes, associated_data: bytes) -> bytes:
    """The plaintext of a callback's resource (AES-256-GCM under the APIv3 key).

    Raises cryptography's InvalidTag, or ValueError for a nonce of no possible length.
    """
    return AESGCM(secret("wechat_apiv3_key").encode()).decrypt(nonce, ciphertext, associated_data)


@functools.cache
def _merchant_key(pem: str) -> RSAPrivateKey:
    key = load_pem_private_key(pem.encode(), password=None)
    assert isinstance(key, RSAPrivateKey), "the merchant's API key is an RSA key"
    return key


@functools.cache
def _wechat_key(pem: str) -> RSAPublicKey:
    key = load_pem_public_key(pem.encode())
    assert isinstance(key, RSAPublicKey), "WeChat Pay's keys are RSA keys"
    return key
