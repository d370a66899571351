"""What of a member an operator is shown as it is, and what masked; what a member bought, summed up. Pure."""

from __future__ import annotations

from datetime import datetime

import msgspec

from chalicelib.customers.members.finding.rules import phone_end
from chalicelib.growth.segments.traits.rules import Traits, instant

_HIDDEN = "***"
#: Of an id so many signs are shown at its start and its end; a short one is hidden whole.
_START, _END, _SHORT = 3, 4, 12


class Bought(msgspec.Struct, frozen=True, kw_only=True):
    """The paid orders of which something is left after refunds: how many, what is left of them in fen, when the first
    and the last was paid; and how many are completed, the last of them when."""

    orders: int
    net_fen: int
    first_paid_at: datetime | None
    last_paid_at: datetime | None
    completed: int
    last_completed_at: datetime | None


def bought(traits: Traits) -> Bought:
    """Sum up what a member bought, by what is known of them."""
    counted = [one for one in traits.bought if one.net_fen > 0]
    count, net = traits.older.sums.get("", (0, 0))
    paid = [one.paid_at for one in counted]
    first = traits.older.first_bought_at or min(paid, default=0)
    last = max([traits.older.last_bought_at, *paid])
    return Bought(
        orders=len(counted) + count,
        net_fen=net + sum(one.net_fen for one in counted),
        first_paid_at=instant(first) if first else None,
        last_paid_at=instant(last) if last else None,
        completed=traits.completed,
        last_completed_at=traits.last_completion,
    )


def masked_phone(phone: str | None) -> str:
    """Show a phone by its last four digits; "" where there is none."""
    return "" if phone is None else f"{_HIDDEN}{phone_end(phone) or ''}"


def masked_id(key: str) -> str:
    """Show the id in an identity's key by its start and its end, enough to tell two apart."""
    own = key.rpartition(":")[2]
    return _HIDDEN if len(own) < _SHORT else f"{own[:_START]}{_HIDDEN}{own[-_END:]}"
