"""Passwords are kept as scrypt hashes, each with its own salt and its cost written beside it."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets

# OWASP's figures for scrypt: 16 MB and a fifth of a second for each guess.
_COST, _BLOCK, _LANES = 2**14, 8, 5
_BYTES = 32

#: A hash of no password: a login under an unknown name takes as long as any other.
NOBODY = f"{_COST}${_BLOCK}${_LANES}${base64.b64encode(bytes(16)).decode()}${base64.b64encode(bytes(_BYTES)).decode()}"


def hashed(password: str) -> str:
    """Hash the password, as it is kept."""
    salt = secrets.token_bytes(16)
    digest = _scrypt(password, salt, _COST, _BLOCK, _LANES)
    return f"{_COST}${_BLOCK}${_LANES}${base64.b64encode(salt).decode()}${base64.b64encode(digest).decode()}"


def matches(password: str, stored: str) -> bool:
    """Check a password against a stored hash; the time it takes does not tell the answer."""
    cost, block, lanes, salt, digest = stored.split("$")
    attempt = _scrypt(password, base64.b64decode(salt), int(cost), int(block), int(lanes))
    return hmac.compare_digest(attempt, base64.b64decode(digest))


def _scrypt(password: str, salt: bytes, cost: int, block: int, lanes: int) -> bytes:
    return hashlib.scrypt(password.encode(), salt=salt, n=cost, r=block, p=lanes, dklen=_BYTES)
