"""Who is only looked at: drawn by a hash of the person, so that it is the same whoever asks, and after a deletion, a
deployment and another version. Pure."""

from __future__ import annotations

from datetime import datetime

from chalicelib.core import clock, ids
from chalicelib.customers.members.rules import Profile


def person_of(member: Profile) -> str:
    """Name the person whom a member is: by their login, or by what else is known of who has none."""
    known = min((one.key for one in member.identities), default=member.member_id)
    return member.openid or known


def is_control(person: str, journey_id: str, percent: int) -> bool:
    """Say whether the person is one of so many in a hundred at whom a journey only looks."""
    return ids.shard(f"control|{journey_id}|{person}", 100) < percent


def is_held_out(person: str, now: datetime, percent: int) -> bool:
    """Say whether the person is one of so many in a hundred at whom all journeys only look in this half-year."""
    return ids.shard(f"holdout|{half_year(now)}|{person}", 100) < percent


def half_year(now: datetime) -> str:
    """Name the half-year of Asia/Shanghai."""
    day = clock.day(now)
    return f"{day.year}-{1 if day.month <= 6 else 2}"
