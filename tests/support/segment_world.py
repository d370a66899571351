"""Members of a mall of one process, their time, and what lists and counts say of them."""

from __future__ import annotations

import secrets
from typing import Any

from chalicelib.growth.segments.counts.queries import totals
from chalicelib.growth.segments.definitions import queries as definitions
from chalicelib.growth.segments.membership import queries as membership
from chalicelib.growth.segments.traits.queries import as_of_now, stored
from chalicelib.platform.jobs import worker
from local.client import Client, in_process


def join() -> Client:
    """Somebody new, who has just logged in."""
    shopper = Client(in_process())
    answer = shopper.post("/v1/auth/login", {"code": f"o{secrets.token_hex(8)}"}).ok()
    return Client(in_process(), answer["token"])


def member_id(shopper: Client) -> str:
    """The shopper's member."""
    return str(shopper.get("/v1/me").ok()["member_id"])


def run_jobs() -> None:
    """Run what is due until nothing is."""
    while worker.run_due(seconds=60.0):
        pass


def inside(who: str) -> set[str]:
    """The segments and tags that the member is in now, by what is known of them."""
    found = stored(who)
    assert found is not None
    return set(as_of_now(found).inside)


def listed(segment_id: str) -> set[str]:
    """Everybody on the list of a segment."""
    found: set[str] = set()
    position: Any = None
    while True:
        rows, position = membership.members_of(segment_id, 100, position)
        found |= {row.member_id for row in rows}
        if position is None:
            return found


def check_lists(members: list[str]) -> None:
    """Every list has exactly those who are in it, and every count is that of its list."""
    wanted: dict[str, set[str]] = {segment_id: set() for segment_id in definitions.fresh().entries}
    for who in members:
        for segment_id in inside(who):
            wanted[segment_id].add(who)
    assert {segment_id: listed(segment_id) for segment_id in wanted} == wanted
    assert {one: totals(one).members for one in wanted} == {one: len(found) for one, found in wanted.items()}
