"""Ids. What a retry must find again is derived from its cause; everything else is random."""

from __future__ import annotations

import base64
import hashlib
import hmac
import random
import secrets
from collections.abc import Callable

_LENGTH = 24  # base32 characters: 120 bits

_random_bytes: Callable[[int], bytes] = secrets.token_bytes


def use(random_bytes: Callable[[int], bytes]) -> None:
    """Draw random ids from `random_bytes` from now on, in this process (a seeded source makes a test repeatable)."""
    global _random_bytes
    _random_bytes = random_bytes


def derived(prefix: str, *cause: str) -> str:
    """Derive the id that this cause always has: `prefix` and 24 characters of [a-z2-7].

    The parts of the cause are told apart whatever they contain.
    """
    digest = hashlib.sha256("\x1f".join(f"{len(part)}:{part}" for part in cause).encode()).digest()
    return prefix + _text(digest)


def new(prefix: str) -> str:
    """Make a random id: `prefix` and 24 characters of [a-z2-7]."""
    return prefix + _text(_random_bytes(15))


def secret() -> str:
    """Make a secret that nobody can guess: 64 hexadecimal digits."""
    return _random_bytes(32).hex()


def random_bytes(count: int) -> bytes:
    """Draw so many bytes that nobody can guess."""
    return _random_bytes(count)


def digest(data: bytes) -> str:
    """Give a short fingerprint of `data`, to tell whether two requests are the same."""
    return _text(hashlib.sha256(data).digest())


def keyed(key: str, data: str) -> str:
    """Give a fingerprint of `data` that nobody can make, or try out, without the key."""
    return _text(hmac.digest(key.encode(), data.encode(), hashlib.sha256))


def shard(key: str, shards: int) -> int:
    """Say which of `shards` the key belongs to, evenly and for ever."""
    return int.from_bytes(hashlib.sha256(key.encode()).digest()[:4], "big") % shards


def jitter(seconds: float) -> float:
    """Draw a random wait from zero to `seconds` ("full jitter"), so that callers who collided do not meet again."""
    return random.random() * seconds  # noqa: S311 - spreads retries, keeps no secret


def _text(data: bytes) -> str:
    return base64.b32encode(data)[:_LENGTH].decode().lower()
