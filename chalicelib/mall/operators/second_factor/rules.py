"""Codes by the time (TOTP, RFC 6238 over RFC 4226: SHA-1, 6 digits, 30 seconds) and recovery codes. Pure."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from datetime import datetime, timedelta

STEP_SECONDS = 30
DIGITS = 6
#: A code of the step before or after counts, too: clocks differ, and people type slowly.
_DRIFT = 1
SECRET_BYTES = 20
RECOVERY_CODES = 10
_RECOVERY_LENGTH = 16
#: Who has logged in so long ago may be somebody who has found the token.
_FRESH = timedelta(minutes=10)


def is_fresh(logged_in_at: datetime, now: datetime) -> bool:
    """Whether a login is so recent that it proves by itself who is there: 10 minutes."""
    return now - logged_in_at <= _FRESH


def code_at(secret: bytes, step: int, digits: int = DIGITS) -> str:
    """Give the code of that step: of so many digits, with leading zeros."""
    digest = hmac.new(secret, step.to_bytes(8, "big"), hashlib.sha1).digest()
    start = digest[-1] & 15
    number = int.from_bytes(digest[start : start + 4], "big") & 0x7FFFFFFF
    return f"{number % 10**digits:0{digits}}"


def step_of(secret: bytes, code: str, now: int) -> int | None:
    """Find the step of that code among those around `now` (Unix seconds), or None; all are compared alike."""
    around = range(now // STEP_SECONDS - _DRIFT, now // STEP_SECONDS + _DRIFT + 1)
    found = [step for step in around if hmac.compare_digest(code_at(secret, step).encode(), code.encode())]
    return max(found, default=None)


def typed(code: str) -> str:
    """Give a code as it is compared: without blanks and hyphens, in small letters."""
    return "".join(code.split()).replace("-", "").casefold()


def is_timed(code: str) -> bool:
    """Whether this is a code of an authenticator, and not a recovery code."""
    return len(code) == DIGITS and code.isascii() and code.isdigit()


def text_of(secret: bytes) -> str:
    """Write the secret as authenticators take it: base32 without padding."""
    return base64.b32encode(secret).decode().rstrip("=")


def secret_of(text: str) -> bytes:
    """Read a secret that `text_of` wrote. Raises ValueError."""
    try:
        return base64.b32decode(text + "=" * (-len(text) % 8))
    except binascii.Error as fault:
        raise ValueError("no base32") from fault


def uri(name: str, host: str, secret: str) -> str:
    """Give the address that authenticators read as a QR code; `host` tells malls apart.

    Source: github.com/google/google-authenticator/wiki/Key-Uri-Format. Names and hosts have no character to escape.
    """
    return f"otpauth://totp/{host}:{name}?secret={secret}&issuer={host}&algorithm=SHA1&digits={DIGITS}&period={STEP_SECONDS}"


def recovery_code(drawn: str) -> str:
    """Write a recovery code from random base32 characters, in fours: 80 bits, which nobody guesses."""
    return "-".join(drawn[start : start + 4] for start in range(0, _RECOVERY_LENGTH, 4))


def kept(code: str) -> str:
    """Give what is kept of a recovery code: its SHA-256. It is random, so that nothing slower is needed."""
    return hashlib.sha256(typed(code).encode()).hexdigest()
