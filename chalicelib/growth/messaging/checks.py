"""The audit of messages: what was sent to members against what counts for their caps, what became of messages against
what was counted, and what SMS cost against the day's sums. Pure; every difference is named.

Messages go after 400 days, and with who leaves: so more may be counted than is found, and never less.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import datetime, timedelta

import msgspec

from chalicelib.core import clock
from chalicelib.core.difference import Difference
from chalicelib.growth.messaging.rules import Contact, Message

#: What a member's log has at most, and for how long a send counts for a cap.
_LOG_MAX, _COUNTS_FOR = 64, timedelta(days=30)
#: A call ends long before, or its message is taken for unknown.
_STUCK = timedelta(hours=1)
#: A message in one of these was handed over, or is just being.
_GOING = ("sending", "sent", "delivered", "unknown", "failed")
_WENT = ("sent", "delivered", "unknown")


class Records(msgspec.Struct, frozen=True, kw_only=True):
    """All that is kept of messages: contacts by member; how many are left of each allowance, by whose it is; what is
    counted, by source and counter; what each day's SMS cost, in fen; and who became whom."""

    messages: list[Message] = []
    contacts: dict[str, Contact] = {}
    allowances: list[tuple[str, int]] = []
    counts: dict[str, dict[str, int]] = {}
    spent: dict[str, int] = {}
    moved: dict[str, str] = {}


def audit(records: Records, at: datetime | None) -> list[Difference]:
    """Find every difference, as of `at`; None where no job is run, so that time is not followed."""
    found = [*_counts(records), *_logs(records), *_spent(records)]
    found += [each for one in records.messages for each in _message(one, at)]
    if at is not None:
        found += _unlogged(records, at)
    found += [
        Difference(member_id, f"{left} messages let through") for member_id, left in records.allowances if left < 0
    ]
    return found


def _counts(records: Records) -> Iterator[Difference]:
    """What became of each source's messages. Those that are held are all there."""
    there: dict[str, Counter[str]] = defaultdict(Counter)
    for one in records.messages:
        if one.state not in ("queued", "sending"):
            state = f"dropped:{one.reason}" if one.state == "dropped" else one.state
            there[one.source][f"{one.medium or '-'}|{state}"] += 1
    for source in there.keys() | records.counts.keys():
        counted = records.counts.get(source, {})
        for name in there[source].keys() | counted.keys():
            has, says = there[source][name], counted.get(name, 0)
            if says < has or (says != has and name.endswith("|held")):
                yield Difference(source, f"{has} messages are {name}, {says} are counted")


def _logs(records: Records) -> Iterator[Difference]:
    """Each send that counts for caps is one of a message that went that way."""
    messages = {one.message_id: one for one in records.messages}
    for member_id, contact in records.contacts.items():
        if len({each.message_id for each in contact.log}) != len(contact.log):
            yield Difference(member_id, "a send is logged twice")
        for each in contact.log:
            message = messages.get(each.message_id)
            if message is None:
                continue
            if message.state not in _GOING or message.medium != each.medium or message.purpose != each.purpose:
                yield Difference(each.message_id, f"logged as sent by {each.medium}, and is {message.state}")
            if message.purpose == "transactional":
                yield Difference(each.message_id, "an order's notice counts for caps")


def _unlogged(records: Records, at: datetime) -> Iterator[Difference]:
    """Each message that went out, and counts, is in its member's log, unless that is full."""
    logged: dict[str, set[str]] = defaultdict(set)
    full: set[str] = set()
    for member_id, contact in records.contacts.items():
        person = records.moved.get(member_id, member_id)
        logged[person] |= {each.message_id for each in contact.log}
        if len(contact.log) >= _LOG_MAX:
            full.add(person)
    for one in records.messages:
        person = records.moved.get(one.member_id, one.member_id)
        counts = one.purpose != "transactional" and one.state in _WENT
        recent = one.sending_at is not None and at - one.sending_at < _COUNTS_FOR
        if counts and recent and one.message_id not in logged[person] and person not in full:
            yield Difference(one.message_id, f"is {one.state}, and counts for no cap")


def _spent(records: Records) -> Iterator[Difference]:
    cost: Counter[str] = Counter()
    for one in records.messages:
        if one.cost_fen and one.sending_at is not None:
            cost[clock.day(one.sending_at).isoformat()] += one.cost_fen
    for day, fen in cost.items():
        if records.spent.get(day, 0) < fen:
            yield Difference(day, f"SMS cost {fen} fen, {records.spent.get(day, 0)} are counted")


def _message(one: Message, at: datetime | None) -> Iterator[Difference]:
    """What must be true of a message by itself."""
    ended = one.state in (*_WENT, "failed", "dropped")
    if ended != (one.ended_at is not None):
        yield Difference(one.message_id, f"is {one.state}, and ended at {one.ended_at}")
    if (one.reserved is not None) != (one.state == "sending"):
        yield Difference(one.message_id, f"is {one.state}, and something is reserved for it or not")
    if at is not None and one.state == "sending" and one.sending_at is not None and at - one.sending_at > _STUCK:
        yield Difference(one.message_id, f"has been sending since {one.sending_at}")
