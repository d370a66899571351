"""How many coupons of journeys, and of which worth, one person gets within a time. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import msgspec

#: What counts is of the last so many days; and no more than so many coupons are remembered.
DAYS = 90
REMEMBERED_MAX = 200


class Got(msgspec.Struct, frozen=True):
    """A coupon that a journey gave: when, what it is worth at most in fen, and which it is."""

    at: datetime
    fen: int
    coupon_id: str


class Received(msgspec.Struct, frozen=True):
    """What a person got of journeys, the latest last."""

    coupons: list[Got] = []


class Bounds(msgspec.Struct, frozen=True, kw_only=True):
    """How many coupons of journeys one person gets within 90 days at most, and of which worth (None: any)."""

    grants_max: int
    grants_fen_max: int | None


def with_coupon(received: Received, got: Got) -> Received:
    """Add a coupon, and leave out what counts no more; one that is there already is not added again."""
    return joined(received, Received([got]), got.at)


def joined(one: Received, other: Received, now: datetime) -> Received:
    """Join what two got who are one person."""
    known = {got.coupon_id: got for got in (*one.coupons, *other.coupons) if _counts(got, now)}
    return Received(sorted(known.values(), key=lambda got: (got.at, got.coupon_id))[-REMEMBERED_MAX:])


def allows(received: Received, fen: int, bounds: Bounds, now: datetime) -> bool:
    """Say whether the person may get one more coupon, of that worth."""
    counted = [got for got in received.coupons if _counts(got, now)]
    few_enough = len(counted) < bounds.grants_max
    return few_enough and (bounds.grants_fen_max is None or _worth(counted) + fen <= bounds.grants_fen_max)


def _counts(got: Got, now: datetime) -> bool:
    return now - got.at <= timedelta(days=DAYS)


def _worth(coupons: Sequence[Got]) -> int:
    return sum(got.fen for got in coupons)
