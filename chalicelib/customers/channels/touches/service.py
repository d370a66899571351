"""By which ways members come is kept in the transaction by which the mall learns of it: a login, a visit, a batch.

Of who comes directly nothing is kept, and nothing is read. app.py registers these.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from chalicelib.customers.channels import ports, queries
from chalicelib.customers.channels.ads import service as ads
from chalicelib.customers.channels.rooms import service as rooms
from chalicelib.customers.channels.rooms.rules import Entry
from chalicelib.customers.channels.rules import LiveRoom
from chalicelib.customers.channels.tables import MemberTouches, touches_key
from chalicelib.customers.channels.touches.rules import (
    Known,
    Touch,
    Touches,
    fans,
    is_kept,
    is_repeated,
    judged,
    merged,
    of_launch,
    of_visit,
)
from chalicelib.customers.events.plan.rules import LAUNCH
from chalicelib.customers.events.rules import Event
from chalicelib.customers.members import queries as members
from chalicelib.customers.members.rules import Profile, Source, Visit
from chalicelib.platform.store.transaction import Transaction
from chalicelib.platform.store.versioned import Conflict, Versioned, commit, retry

LIVE_ENTER = "live_enter"
#: The longest page that is kept of a touch.
_PAGE_LENGTH = 128
#: Finds the member, where it is asked what makes them a fan.
_Whom = Callable[[], Profile | None]


class Visitors:
    """Told of logins and visits."""

    def came(self, tx: Transaction, member: Profile, visit: Visit) -> bool:
        """Keep the touch that a visit is, unless the member just came by the same way."""
        touch = of_visit(visit)
        if touch is None:
            return False
        before = queries.stored_touches(member.member_id)
        if is_repeated(before.value.items, touch):
            return False
        return _keep(tx, member.member_id, before, [touch], lambda: member)


class Arrivals:
    """Told of batches of events."""

    def came(self, tx: Transaction, member_id: str, source: Source | None, events: Sequence[Event]) -> None:
        """Keep what is a touch of what the member did: opening the program, and entering a live room."""
        touches = [touch for event in events if (touch := _touch_of(event, source)) is not None]
        if touches:
            _keep(tx, member_id, queries.stored_touches(member_id), touches, lambda: members.current(member_id))


def _touch_of(event: Event, source: Source | None) -> Touch | None:
    if event.name == LAUNCH:
        return of_launch(source, event.at, str(event.props["scene"]), str(event.props["path"])[:_PAGE_LENGTH])
    if event.name == LIVE_ENTER:
        return Touch(at=event.at, live_room=str(event.props["room_id"]))
    return None


def _keep(
    tx: Transaction, member_id: str, before: Versioned[Touches], touches: Sequence[Touch], whom: _Whom
) -> bool:  # fmt: skip
    """Keep these touches as part of `tx`, and count whom they first brought into a live room; say whether any is
    new."""
    told = merged([], [touch for touch in touches if not is_kept(before.value.items, touch)])
    news = [touch for touch in told if is_kept(merged(before.value.items, told), touch)]
    if not news:
        return False
    entered = _Entered(member_id, whom)
    items = merged(before.value.items, [_judged(touch, entered) for touch in news])
    after = ads.registered(tx, Touches(items, before.value.registered), whom)
    write(tx, member_id, before, after)
    for entry in entered.new.values():
        rooms.enter(tx, member_id, entry)
    return True


def write(tx: Transaction, member_id: str, before: Versioned[Touches], after: Touches) -> None:
    """Put the member's touches as part of `tx`; a Conflict where others have changed them since they were read."""
    _, (key, part) = touches_key(member_id)
    version = MemberTouches.version
    as_read = version == before.version if before.version else version.does_not_exist()
    tx.put(MemberTouches(key, part, touches=after, version=before.version + 1), as_read, Conflict)


def absorb(former: str, member_id: str, _position: str | None) -> str | None:
    """Put the touches of a member to those of another who is the same person, by time."""

    def once() -> None:
        theirs = queries.stored_touches(former)
        if not theirs.version:
            return
        mine = queries.stored_touches(member_id)
        items = merged(theirs.value.items, mine.value.items)
        tx = Transaction()
        write(tx, member_id, mine, Touches(items, theirs.value.registered or mine.value.registered))
        tx.delete(*touches_key(former), MemberTouches.version == theirs.version, Conflict)
        commit(tx)

    retry(once)
    return None


class _Entered:
    """Which live rooms a member entered before, and which they enter now; read when it is asked for first."""

    def __init__(self, member_id: str, whom: _Whom) -> None:
        self._member_id, self._whom = member_id, whom
        self._before: dict[str, Entry] | None = None
        self.new: dict[str, Entry] = {}

    def entry(self, room: LiveRoom, touch: Touch) -> Entry:
        """Give the member's first entry of the room, which may be this touch."""
        if self._before is None:
            self._before = {entry.room_id: entry for entry in queries.entries(self._member_id)}
        known = self._before | self.new
        if room.room_id not in known:
            member, bought = self._whom(), ports.has_bought(self._member_id)
            hosts = [entry.host for entry in known.values()]
            fan = fans(member is not None and member.follows_oa, False, hosts, room.host, bought)
            self.new[room.room_id] = Entry(room_id=room.room_id, host=room.host, at=touch.at, fan=fan)
        return known.get(room.room_id) or self.new[room.room_id]


def _judged(touch: Touch, entered: _Entered) -> Touch:
    channel, room = queries.known_channel(touch.channel), queries.known_room(touch.live_room)
    tokens = [token for token in (touch.inviter, touch.share_token) if token is not None]
    known = Known(channel=channel, room=room, link=any(ports.is_link(token) for token in tokens))
    return judged(touch, known, () if room is None else entered.entry(room, touch).fan)
