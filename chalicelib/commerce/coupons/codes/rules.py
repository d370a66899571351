"""What a code says: sixteen characters of Crockford's base32, 80 bits. Pure.

    batch 20 | serial number in the batch 17 | MAC 43

The MAC is under the secret of the batch, so that a code can be known as true without being stored. A guess is
right once in 2^43 times, whatever else its author knows.
"""

from __future__ import annotations

import hashlib
import hmac
import unicodedata

import msgspec

BATCH_BITS = 20
SERIAL_BITS = 17
MAC_BITS = 43

_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_VALUES = {character: value for value, character in enumerate(_ALPHABET)} | {"O": 0, "I": 1, "L": 1}
_LENGTH = (BATCH_BITS + SERIAL_BITS + MAC_BITS) // 5
_GROUP = 4


class Code(msgspec.Struct, frozen=True):
    """The parts of a code."""

    batch: int
    serial: int
    mac: int


def make(batch: int, serial: int, secret: str) -> Code:
    """Make the one true code with that serial number in its batch. The `secret` is that of the batch."""
    digest = hmac.digest(secret.encode(), f"{batch}.{serial}".encode(), hashlib.sha256)
    return Code(batch, serial, int.from_bytes(digest[:8], "big") >> (64 - MAC_BITS))


def is_true(code: Code, secret: str) -> bool:
    """Whether the code was made with the secret; takes as long for a wrong one."""
    known = make(code.batch, code.serial, secret)
    return hmac.compare_digest(known.mac.to_bytes(6, "big"), code.mac.to_bytes(6, "big"))


def write(code: Code) -> str:
    """Write the code as people get it: XXXX-XXXX-XXXX-XXXX."""
    value = (code.batch << SERIAL_BITS | code.serial) << MAC_BITS | code.mac
    text = "".join(_ALPHABET[value >> 5 * place & 31] for place in reversed(range(_LENGTH)))
    return "-".join(text[start : start + _GROUP] for start in range(0, _LENGTH, _GROUP))


def read(text: str) -> Code | None:
    """Read a code as it was typed, whatever the case, the width of letters, dashes and spaces; None if it is none.

    O is read as 0, I and L as 1: no code has them.
    """
    characters = [each for each in unicodedata.normalize("NFKC", text).upper() if each.isalnum()]
    if len(characters) != _LENGTH or not all(each in _VALUES for each in characters):
        return None
    value = 0
    for each in characters:
        value = value << 5 | _VALUES[each]
    rest, mac = value >> MAC_BITS, value & (1 << MAC_BITS) - 1
    return Code(rest >> SERIAL_BITS, rest & (1 << SERIAL_BITS) - 1, mac)
