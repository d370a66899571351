"""Reads of sends: how far one is, and what its next step is decided by."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import msgspec

from chalicelib.core import clock
from chalicelib.core.errors import MallError, invalid
from chalicelib.customers.members import queries as members
from chalicelib.customers.members.rules import Profile
from chalicelib.customers.members.tables import profile_key
from chalicelib.growth.messaging.refusals import NO_SUCH_SEND, NOBODY_ON_IT
from chalicelib.growth.messaging.rules import WAITING
from chalicelib.growth.messaging.sends.rules import ITEM_MEMBERS, Part, Send, message_id
from chalicelib.growth.messaging.sends.tables import (
    ALL,
    PART,
    Sends,
    alone_key,
    head_key,
    listed_part,
    part_key,
    part_of,
)
from chalicelib.growth.messaging.tables import Messages
from chalicelib.growth.segments.asking.service import AudienceLists
from chalicelib.growth.segments.audiences import queries as audiences
from chalicelib.growth.segments.refusals import AUDIENCE_BEING_MADE, NO_SUCH_AUDIENCE
from chalicelib.platform.store import cursors, read
from chalicelib.platform.store.versioned import Versioned


class Reached(msgspec.Struct, frozen=True):
    """Some members of a send's list as they are by now: who each of them is (None: gone), and with which ids each of
    these persons may have a message of the send already, as who they are or were."""

    persons: list[str | None]
    formerly: dict[str, list[str]]


def find(send_id: str) -> Versioned[Send] | None:
    """Find a send with its version; None where there is none."""
    item = read.get(*_place(head_key(send_id)))
    return None if item is None else Versioned(item.send, int(item.version))


def load(send_id: str) -> Versioned[Send]:
    """Find a send with its version. Raises `not_found`."""
    found = find(send_id)
    if found is None:
        raise MallError("not_found", errors=(NO_SUCH_SEND.at("send_id"),))
    return found


def alone_today(operator: str, now: datetime) -> int | None:
    """Read to how many members the operator has let sends out alone today; None where that is not counted yet."""
    item = read.get(*_place(alone_key(operator, clock.day(now).isoformat())))
    return None if item is None else int(item.alone)


def page(limit: int, cursor: str | None) -> tuple[list[Send], str | None]:
    """List a page of all sends, the newest first. Raises `cursor_invalid`."""
    after = cursors.read("sends", cursor)
    raws, rest = read.query(Sends, ALL, index=Sends.by_age, forward=False, limit=limit, after=after)
    return [Sends.from_raw_data(raw).send for raw in raws], cursors.write("sends", rest)


def parts(send_id: str) -> list[Part]:
    """Read how far each part of a send is; none of one that has not begun."""
    items = read.query_all(Sends, send_id, where=Sends.part.startswith(PART), consistent=True)
    return [part_of(item) for item in items]


def under_way(send_id: str, number: int) -> tuple[Send, Part]:
    """Read a send and one of its parts. One BatchGet."""
    head, part = read.batch_get([head_key(send_id), part_key(send_id, number)])
    return head.send, part_of(part)


def size_of(audience_id: str) -> int:
    """Count the members of an audience, which has some; also of one into which what clients report alone leads: whoever
    makes themselves part of it gets a message, and no money. Raises `invalid` where there is none, or not yet."""
    try:
        audience = audiences.load(audience_id)
    except MallError:
        raise invalid(NO_SUCH_AUDIENCE.at("audience_id")) from None
    if audience.state != "made":
        raise invalid(AUDIENCE_BEING_MADE.at("audience_id"))
    if not audience.count:
        raise invalid(NOBODY_ON_IT.at("audience_id"))
    return audience.count


def following(send: Send, position: int, end: int, at_most: int) -> tuple[list[str], int]:
    """List the next members of a send's list, before number `end` of them, so many at most; and how many are before the
    next step. Of an audience who does not want to be chosen by what they do is left out."""
    limit = min(at_most, end - position)
    if send.audience_id:
        listed, after = AudienceLists().page(send.audience_id, str(position), limit)
        return listed, end if after is None else int(after)
    start = position // ITEM_MEMBERS * ITEM_MEMBERS
    item = read.get(Sends, send.send_id, listed_part(start))
    found: list[str] = [] if item is None else item.listed.members[position - start :][:limit]
    return found, position + len(found) if found else end


def reached(send_id: str, member_ids: Sequence[str]) -> Reached:
    """Find who these members are by now. One BatchGet, and two where some are not found."""
    profiles: dict[str, Profile | None] = _profiles(member_ids)
    now = {each: each for each in member_ids}
    if missing := [each for each in member_ids if profiles[each] is None]:
        now |= members.merged(missing)
        profiles |= _profiles([now[each] for each in missing])
    persons = [now[each] if profiles[now[each]] is not None else None for each in member_ids]
    formerly = {
        member.member_id: [
            message_id(send_id, each) for each in (member.member_id, *(one.member_id for one in member.absorbed))
        ]
        for member in profiles.values()
        if member is not None and member.absorbed
    }
    return Reached(persons, formerly)


def written_to(found: Reached) -> set[str]:
    """Find who of these persons has a message of the send already, as who they are or were. Mostly no read."""
    places = [(person, message) for person, messages in found.formerly.items() for message in messages]
    items = read.batch_get([(Messages, (message,)) for _, message in places]) if places else []
    return {person for (person, _), item in zip(places, items, strict=True) if item is not None}


def waiting(message_ids: Sequence[str]) -> list[str]:
    """Find which of these messages have not been sent, and may be. One BatchGet."""
    items = read.batch_get([(Messages, (each,)) for each in message_ids]) if message_ids else []
    return [item.message_id for item in items if item is not None and item.message.state in WAITING]


def _profiles(member_ids: Sequence[str]) -> dict[str, Profile | None]:
    items = read.batch_get([profile_key(each) for each in member_ids])
    return {each: None if item is None else item.profile for each, item in zip(member_ids, items, strict=True)}


def _place(key: read.Key) -> tuple[type[Sends], str, str]:
    return Sends, key[1][0], key[1][1]
