"""Reads by which operators find members.

| by | how | units |
|---|---|---|
| an id | Get profile, and of one who was merged into another two reads more | 1 RRU, 3 |
| an identity | Get identity, Get profile | 2 RRU |
| a nickname, a phone's end | Query an index, BatchGet profiles | 0.5 RRU, and 0.5 each |
| a segment or a tag | Query its shards, BatchGet profiles | 1 RRU a shard, and 0.5 each |
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from chalicelib.core import clock
from chalicelib.core.errors import invalid
from chalicelib.customers.members.finding.queries import by_identity, by_name, by_phone_end, whoever_is
from chalicelib.customers.members.finding.rules import Handles, is_end, is_id, name_form
from chalicelib.customers.members.rules import Profile
from chalicelib.customers.members.settings import LIFE_CYCLE
from chalicelib.customers.members.tables import profile_key
from chalicelib.growth.segments import queries as segments
from chalicelib.insight.portraits.inputs import FindQuery
from chalicelib.insight.portraits.refusals import ONE_WAY_TO_FIND
from chalicelib.insight.portraits.views import MemberCard, card
from chalicelib.platform.store import cursors, read

#: Gives a page of at most so many ids behind a position, each with since when, if it is a list of that; and where the
#: next one starts (None: no more).
_Lister = Callable[[int, Any], tuple[Mapping[str, datetime | None], Any]]
_WAYS = ("q", "phone_last4", "identity", "segment", "tag")


def find(query: FindQuery) -> tuple[list[MemberCard], str | None]:
    """List a page of the members that are asked for. It is empty only where the list ends; who left in this moment is
    not on it. Raises `invalid` unless they are asked for in one way, `not_found` for a segment or tag that there is
    not, `cursor_invalid`."""
    ways = [way for way in _WAYS if getattr(query, way) is not None]
    if len(ways) != 1:
        raise invalid(ONE_WAY_TO_FIND.at("q"))
    (way,) = ways
    asked: str = getattr(query, way)
    if way == "identity":
        return _one(by_identity(asked)), None
    if way == "q" and is_id(asked) and (found := _one(asked)):
        return found, None
    lister, is_asked = _listed(way, asked)
    listing = f"members:{way}:{asked}"
    shown, after = _filled(lister, is_asked, query.limit, cursors.read(listing, query.cursor))
    return shown, cursors.write(listing, after)


def _one(member_id: str | None) -> list[MemberCard]:
    member = None if member_id is None else whoever_is(member_id)
    return [] if member is None else [card(member, None, clock.now(), LIFE_CYCLE.current())]


def _listed(way: str, asked: str) -> tuple[_Lister, Callable[[Profile], bool]]:
    """Choose the list, and how a member on it is held against what was asked: an index may be a moment behind."""
    if way in ("segment", "tag"):
        segment_id = segments.tag_named(asked) if way == "tag" else asked
        segments.check_segment(segment_id)
        return lambda limit, after: segments.listed(segment_id, limit, after), lambda _: True
    if way == "phone_last4" or is_end(asked):
        return _without_since(by_phone_end, asked), lambda member: Handles.of(member).phone_end == asked
    form = name_form(asked)
    return _without_since(by_name, form), lambda member: (Handles.of(member).name_form or "").startswith(form)


def _without_since(by: Callable[[str, int, Any], tuple[list[str], Any]], asked: str) -> _Lister:
    def page(limit: int, after: Any) -> tuple[Mapping[str, datetime | None], Any]:
        member_ids, rest = by(asked, limit, after)
        return dict.fromkeys(member_ids), rest

    return page


def _filled(
    lister: _Lister, is_asked: Callable[[Profile], bool], limit: int, after: Any
) -> tuple[list[MemberCard], Any]:
    """Read on until the page is full or the list ends."""
    now, bounds = clock.now(), LIFE_CYCLE.current()
    shown: list[MemberCard] = []
    while True:
        since, after = lister(limit - len(shown), after)
        items = read.batch_get([profile_key(one) for one in since], consistent=False) if since else []
        members = [item.profile for item in items if item is not None and is_asked(item.profile)]
        shown += [card(one, since[one.member_id], now, bounds) for one in members]
        if after is None or len(shown) >= limit:
            return shown, after
