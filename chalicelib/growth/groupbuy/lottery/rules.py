"""The draw of a lottery, which anybody can check: docs/lottery.md has the recipe, docs/verify_draw.py does it. Pure.

The SHA-256 hash of a secret is published when the activity opens, the secret after the draw. Every lobby has a secret
of its own, made from the activity's, so that the draw of one tells nothing about another's.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence

#: Orders on a page of a proof: some 140 KB, where an item may have 400.
PAGE_ORDERS = 5000
#: How many chains of jobs bring the orders of a draw to their ends, side by side, and how many each job of them takes:
#: so few that what else becomes due waits a second or two at most, however many took part. (An order takes some 30 ms.)
CHAINS_MAX = 4
CHAIN_STEP = 5


def secret_hash(secret: str) -> str:
    """Hash a secret, for publication before the draw: the SHA-256 of its text, in hexadecimal."""
    return hashlib.sha256(secret.encode()).hexdigest()


def lobby_secret(secret: str, lobby_id: str) -> str:
    """Derive the secret of one lobby: HMAC-SHA256 of its id under the activity's secret, in hexadecimal."""
    return hmac.new(secret.encode(), lobby_id.encode(), hashlib.sha256).hexdigest()


def winners(secret: str, order_ids: Sequence[str], count: int) -> list[str]:
    """Draw the `count` orders whose HMAC-SHA256 under the secret is smallest, the smallest first."""
    return sorted(order_ids, key=lambda order_id: _ticket(secret, order_id))[:count]


def chains(order_ids: Sequence[str]) -> list[tuple[str, str]]:
    """Share the orders of a draw, which are sorted, out to at most CHAINS_MAX chains: of each the order after which it
    begins ("" for the first of all), and its last one."""
    length = max(CHAIN_STEP, -(-len(order_ids) // CHAINS_MAX))
    ends = [*order_ids[length - 1 :: length], *order_ids[-1:]]
    lasts = list(dict.fromkeys(ends))
    return list(zip(["", *lasts], lasts, strict=False))


def _ticket(secret: str, order_id: str) -> str:
    return hmac.new(secret.encode(), order_id.encode(), hashlib.sha256).hexdigest()
