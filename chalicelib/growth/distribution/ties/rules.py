"""Which of two ties stays where their members turn out to be one person. Pure."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

import msgspec

from chalicelib.growth.distribution.rules import Binding


class Tie(msgspec.Struct, frozen=True):
    """Whom a member is bound to, and what they have bought since by orders that paid the inviter, in fen."""

    binding: Binding
    orders: int = 0
    paid_fen: int = 0


def ended(binding: Binding, now: datetime) -> Binding:
    """End a tie as its member turns out to be somebody else; one that is over stays as it is."""
    return msgspec.structs.replace(binding, until=now, ended="merged") if binding.live(now) else binding


def united(
    ours: Tie | None, theirs: Tie | None, barred: Collection[str], now: datetime
) -> tuple[Tie | None, Tie | None]:
    """Give the tie that stays the member's of theirs and that of who turned out to be them, and the one that is over
    with that (None: there was no such).

    The earlier one stays that still protects, their own of two at once; no tie to one of these `barred`: they are the
    person themselves, or bound to them. Where both are to one inviter, what was bought counts together. Where none
    protects, the member's own stays, as it is or ended, and the other one where there is no such.
    """
    holding = [tie for tie in (ours, theirs) if tie is not None and tie.binding.live(now)]
    holding = [tie for tie in holding if tie.binding.inviter not in barred]
    kept = min(holding, key=lambda tie: tie.binding.bound_at) if holding else ours or theirs
    if kept is None:
        return None, None
    other = theirs if kept is ours else ours
    if kept not in holding:
        kept = msgspec.structs.replace(kept, binding=ended(kept.binding, now))
    elif other is not None and other.binding.inviter == kept.binding.inviter:
        kept = Tie(kept.binding, kept.orders + other.orders, kept.paid_fen + other.paid_fen)
    over = None if other is None else msgspec.structs.replace(other, binding=ended(other.binding, now))
    return kept, over
