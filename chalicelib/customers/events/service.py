"""A batch of events is taken: once, bounded, and with whatever those above make of it, in one transaction."""

from __future__ import annotations

from datetime import datetime, timedelta

import msgspec

from chalicelib.core import clock, ids
from chalicelib.core.errors import MallError
from chalicelib.customers.events import queries
from chalicelib.customers.events.inputs import EventBatchInput, SessionInput
from chalicelib.customers.events.plan.rules import LAUNCH
from chalicelib.customers.events.ports import arrivals, observers
from chalicelib.customers.events.rules import (
    DAY_BYTES_MAX,
    Batch,
    Event,
    expires_at,
    is_clock_known,
    judged,
    kept_of,
    seconds_left,
)
from chalicelib.customers.events.tables import MemberEvents, batch_key, day_key
from chalicelib.customers.members import service as members
from chalicelib.platform.store.transaction import Transaction
from chalicelib.platform.store.versioned import Created, commit, create_once

_DAY_KEPT = timedelta(days=2)


def take(member_id: str, given: EventBatchInput) -> Batch:
    """Take a batch of what a member did, once: the same batch again gives what was answered first.

    Raises `batch_reused` for another one under its id, `too_many_requests` when the day has no room for it,
    `unauthenticated`, `conflict`, `unavailable`.
    """
    now, session = clock.now(), given.session
    said = msgspec.json.encode((given.events, session))  # all but sent_at, which the next try says anew
    events, dropped = judged(given.events, given.sent_at, now)
    batch = Batch(
        received_at=now, digest=ids.digest(said), accepted=len(events), dropped=dropped,
        clock_unknown=not is_clock_known(given.sent_at, now),
    )  # fmt: skip
    if session is not None:
        batch = _told_by(batch, session, events)

    def create() -> Batch:
        tx = Transaction()
        tx.create(_item(member_id, given.batch_id, batch, events), Created)
        _count(tx, member_id, len(said), now)
        if events:
            for each in observers():
                each.heard(tx, member_id, events)
            arrivals().came(tx, member_id, batch.source, events)
        commit(tx)
        return batch

    taken = create_once(create, lambda: queries.batch_of(member_id, given.batch_id), lambda _: True)
    if taken.digest != batch.digest:
        raise MallError("batch_reused")
    if any(event.name == LAUNCH for event in events):  # also of one that was taken before: it heals what broke off here
        members.seen(member_id, taken.source)
    return taken


def _told_by(batch: Batch, session: SessionInput, events: list[Event]) -> Batch:
    """The batch with what its client says of itself; nothing of that is kept where no event was taken."""
    told, source, left_out = kept_of(session)
    batch = msgspec.structs.replace(batch, left_out=left_out)
    if not events:
        return batch
    return msgspec.structs.replace(
        batch, session_id=told.get("id"), platform=told.get("platform"), app_version=told.get("app_version"),
        source=source.taken(_opened_at(events, batch.received_at)),
    )  # fmt: skip


def _opened_at(events: list[Event], now: datetime) -> datetime:
    """Find when the program was opened, as far as the batch tells: that is when somebody came from its source."""
    return next((event.at for event in events if event.name == LAUNCH), now)


def _item(member_id: str, batch_id: str, batch: Batch, events: list[Event]) -> MemberEvents:
    _, (hash_key, part) = batch_key(member_id, batch_id)
    item = MemberEvents(
        hash_key,
        part,
        batch=batch,
        events=queries.packed(events),
        expires=expires_at(batch.received_at, events),
    )
    if events:
        item.first_at, item.last_at = clock.stamp(events[0].at), clock.stamp(events[-1].at)
    return item


def _count(tx: Transaction, member_id: str, size: int, now: datetime) -> None:
    """Count what the member sends on a day of Asia/Shanghai, and refuse what is more than it has room for."""
    full = MallError("too_many_requests", retry_after=seconds_left(now))
    sent = MemberEvents.sent_bytes
    room = sent.does_not_exist() | (sent <= DAY_BYTES_MAX - size)
    changes = [sent.add(size), MemberEvents.expires.set(now + _DAY_KEPT)]
    tx.update(*day_key(member_id, clock.day(now).isoformat()), changes, room, full)
