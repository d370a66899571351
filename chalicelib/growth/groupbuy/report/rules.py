"""What is counted of an activity's lobbies, and how sure their rate of success is. Pure."""

from __future__ import annotations

import math

import msgspec

from chalicelib.growth.groupbuy.rules import ALL_BP


class Tally(msgspec.Struct, kw_only=True):
    """What became of the lobbies of one variant. A lobby counts as opened once its leader has paid, and as ended when
    it succeeded or failed; `joined` are the paid seats that are not leaders'. `paid_fen` was paid into lobbies, freight
    included, by members who did not leave them, before any refund of theirs."""

    variant: str
    opened: int = 0
    joined: int = 0
    succeeded: int = 0
    failed: int = 0
    paid_fen: int = 0
    #: Of the ended lobbies, how many succeeded, in basis points, with the 95 % interval (Wilson 1927).
    success_bp: int | None = None
    success_low_bp: int | None = None
    success_high_bp: int | None = None


def wilson_bp(successes: int, trials: int) -> tuple[int, int, int]:
    """Give the share of successes in basis points, and the bounds of its 95 % interval, rounded outwards (Wilson)."""
    if not 0 <= successes <= trials or not trials:
        raise ValueError("a share needs trials, and at most as many successes")
    z2 = 1.959964**2
    share = successes / trials
    centre = (share + z2 / (2 * trials)) / (1 + z2 / trials)
    spread = math.sqrt(z2 * (share * (1 - share) / trials + z2 / (4 * trials**2))) / (1 + z2 / trials)
    low, high = math.floor((centre - spread) * ALL_BP), math.ceil((centre + spread) * ALL_BP)
    return round(share * ALL_BP), max(0, low), min(ALL_BP, high)
