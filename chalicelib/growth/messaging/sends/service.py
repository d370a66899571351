"""Sends: a message to each member of a list, in steps that may be cut off anywhere.

A send has parts, each with a job of its own. A step is one transaction: the messages to the next members, and how far
the part is by then; so nobody is passed over, and nobody written to twice. Each of its messages looks at it as it goes
out: of a send that was called back none does after that was answered.
"""

from __future__ import annotations

import functools

import msgspec

from chalicelib.core import clock, ids
from chalicelib.core.errors import MallError, invalid
from chalicelib.growth.messaging.jobs import CALL_BACK, SEND_PART
from chalicelib.growth.messaging.outgoing.service import queue
from chalicelib.growth.messaging.queries import fresh_template
from chalicelib.growth.messaging.refusals import NO_SUCH_TEMPLATE, WHO_IS_WRITTEN_TO
from chalicelib.growth.messaging.rules import Message, Template
from chalicelib.growth.messaging.sending import service as sending
from chalicelib.growth.messaging.sends import queries, rules
from chalicelib.growth.messaging.sends.inputs import SendInput
from chalicelib.growth.messaging.sends.rules import ITEM_MEMBERS, STEP_MEMBERS, Listed, Part, PartState, Send
from chalicelib.growth.messaging.sends.tables import (
    ALONE_KEPT,
    KEPT,
    Sends,
    alone_key,
    guard_key,
    guard_of,
    head_item,
    listed_part,
    part_key,
)
from chalicelib.platform.jobs.job import Job, RetryLater
from chalicelib.platform.jobs.queue import schedule
from chalicelib.platform.store import versioned
from chalicelib.platform.store.transaction import Transaction
from chalicelib.platform.store.versioned import Conflict, Versioned, commit, create_once, retry

#: How long a job works before it gives way to others that are due, in seconds.
RUN_SECONDS = 2.0


def create(operator: str, key: str, asked: SendInput) -> Send:
    """Make the send that this operator's Idempotency-Key stands for, and begin it; or, to more members than they may
    write to alone in a day (ALONE_MAX), keep this operator's decision until another agrees. A repetition gets the send
    as it is.

    Raises `invalid`, `idempotency_key_reused`, `conflict`.
    """
    if (asked.members is None) == (asked.audience_id is None):
        raise invalid(WHO_IS_WRITTEN_TO.at("members"))
    send_id = ids.derived("sd", operator, key)
    digest = ids.digest(msgspec.json.encode(asked))

    def there() -> Send | None:
        found = queries.find(send_id)
        return None if found is None else found.value

    def begin() -> Send:
        return there() or _make(send_id, digest, operator, asked)

    return create_once(begin, there, lambda send: send.digest == digest)


def agree(send_id: str, operator: str) -> Send:
    """Let a send out that waits for a second operator; twice is no error. Raises `not_found`, `second_operator` where
    they were the first, `send_recalled`, `conflict`."""

    def decide(send: Send, tx: Transaction) -> Send:
        after = rules.decided(send, operator, clock.now())
        if after is not send and after.state == "begun":
            _begin(tx, after)
        return after

    return versioned.change(lambda: queries.load(send_id), decide, _write)


def recall(send_id: str, operator: str) -> Send:
    """Call a send back: none of its messages goes out any more, and those that wait are dropped soon. Twice is no
    error. Raises `not_found`, `conflict`."""

    def decide(send: Send, tx: Transaction) -> Send:
        after = rules.called_back(send, operator, clock.now())
        if after is not send and send.state == "begun":
            for number in range(send.guards):
                tx.delete(*guard_key(send, number))
            for number in range(len(send.parts)):
                schedule(tx, CALL_BACK, f"{send_id}|{number}")
        return after

    return versioned.change(lambda: queries.load(send_id), decide, _write)


def send_part(job: Job) -> None:
    """Queue the messages to the next members of a part, for two seconds; again at once until the part is done."""
    send_id, _, number = job.key.partition("|")
    end = clock.monotonic() + RUN_SECONDS
    while retry(functools.partial(_step, send_id, int(number))):
        if clock.monotonic() > end:
            raise RetryLater(0)


def call_back(job: Job) -> None:
    """Drop the messages of a part of a send that was called back, as far as they wait; for two seconds, and again."""
    send_id, _, number = job.key.partition("|")
    position, end = int(job.task.payload.get("position", "-1")), clock.monotonic() + RUN_SECONDS
    while (position := _call_back_some(send_id, int(number), position)) >= 0:
        if clock.monotonic() > end:
            tx = Transaction()
            schedule(tx, CALL_BACK, job.key, None, position=str(position))
            job.finish(tx)
            commit(tx)
            return


def _call_back_some(send_id: str, number: int, position: int) -> int:
    """Drop the messages to the next members of a part that wait; behind how many members the next ones stand, -1 where
    there are no more. What cannot be found by the list, of those who became another since, drops as its turn comes."""
    send, part = queries.under_way(send_id, number)
    position = max(position, send.parts[number][0])
    if position >= part.position:
        return -1
    listed, after = queries.following(send, position, part.position, STEP_MEMBERS)
    for message_id in queries.waiting([rules.message_id(send_id, each) for each in listed]):
        try:
            sending.recall(message_id)
        except MallError as fault:
            if fault.code != "message_state":  # it went out before the send was called back
                raise
    return after


def stands(tx: Transaction, message: Message) -> bool:
    """Tell whether the send of a message that is about to go out was not called back, and hold as part of `tx` that
    this is so: one action."""
    found = queries.find(rules.send_of(message))
    if found is None or found.value.state != "begun":
        return False
    tx.check(*guard_of(found.value, message.message_id), Sends.part.exists(), Conflict)
    return True


def _make(send_id: str, digest: str, operator: str, asked: SendInput) -> Send:
    template, now = _template(asked.template_id), clock.now()
    rules.check_content(template, asked.purpose, asked.values)
    listed = [] if asked.members is None else list(dict.fromkeys(asked.members))
    send = Send(
        send_id=send_id, digest=digest, template_id=asked.template_id, template_version=template.version,
        purpose=template.purpose, values=asked.values,
        audience_id=asked.audience_id or "", by=operator, made_at=now, begins_at=rules.check_time(asked.at, now),
        total=queries.size_of(asked.audience_id) if asked.audience_id is not None else len(listed),
        expires_hours=asked.expires_hours,
    )  # fmt: skip
    alone = queries.alone_today(operator, now)
    send = rules.decided(send, operator, now, rules.ALONE_MAX - (alone or 0))
    tx = Transaction()
    tx.create(head_item(send, 1), Conflict)
    for start in range(0, len(listed), ITEM_MEMBERS):
        some = Listed(listed[start : start + ITEM_MEMBERS])
        tx.create(Sends(send_id, listed_part(start), listed=some, expires=now + KEPT), Conflict)
    if send.state == "begun":
        _begin(tx, send)
        _count_alone(tx, send, alone)
    commit(tx)
    return send


def _count_alone(tx: Transaction, send: Send, before: int | None) -> None:
    """Count as part of `tx` that one operator lets the send out alone, under what was counted before."""
    as_read = Sends.send_id.does_not_exist() if before is None else Sends.alone == before
    changes = [Sends.alone.set((before or 0) + send.total), Sends.expires.set(send.made_at + ALONE_KEPT)]
    tx.update(*alone_key(send.by, clock.day(send.made_at).isoformat()), changes, as_read, Conflict)


def _template(template_id: str) -> Template:
    try:
        return fresh_template(template_id)
    except MallError as fault:
        if fault.code != "not_found":
            raise
        raise invalid(NO_SUCH_TEMPLATE.at("template_id")) from None


def _begin(tx: Transaction, send: Send) -> None:
    """Write that the send stands, and its parts with their jobs, as part of `tx`."""
    expires, is_planned = send.made_at + KEPT, send.begins_at > clock.now()
    for number in range(send.guards):
        _, (_, guard) = guard_key(send, number)
        tx.create(Sends(send.send_id, guard, expires=expires), Conflict)
    for number, (start, _) in enumerate(send.parts):
        _, (_, place) = part_key(send.send_id, number)
        part = Sends(send.send_id, place, position=start, state="running", queued=0, skipped=0, expires=expires)
        tx.create(part, Conflict)
        schedule(tx, SEND_PART, f"{send.send_id}|{number}", send.begins_at if is_planned else None)


def _write(tx: Transaction, before: Versioned[Send], after: Send) -> None:
    tx.put(head_item(after, before.version + 1), Sends.version == before.version, Conflict)


def _step(send_id: str, number: int) -> bool:
    """Queue the messages to the next members, and return whether there are more to come."""
    send, part = queries.under_way(send_id, number)
    if send.state != "begun" or part.state != "running":
        return False
    end = send.parts[number][1]
    listed, position = queries.following(send, part.position, end, STEP_MEMBERS)
    found = queries.reached(send_id, listed)
    had = queries.written_to(found)
    persons = [person for person in rules.each_once(found.persons) if person not in had]
    tx = Transaction()
    for person in persons:
        queue(tx, rules.asked(send, person))
    tx.check(*guard_key(send, number), Sends.part.exists(), Conflict)
    _move(tx, send_id, part, position, "done" if position >= end else "running", len(persons))
    commit(tx)
    return position < end


def _move(tx: Transaction, send_id: str, part: Part, position: int, state: PartState, queued: int) -> None:
    changes = [
        Sends.position.set(position),
        Sends.state.set(state),
        Sends.queued.set(Sends.queued + queued),
        Sends.skipped.set(Sends.skipped + (position - part.position - queued)),
    ]
    unchanged = (Sends.position == part.position) & (Sends.state == "running")
    tx.update(*part_key(send_id, part.number), changes, unchanged, Conflict)
