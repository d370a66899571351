"""Sending messages: each is looked at whole, reserved, handed to its platform once, and concluded.

What it takes (a place in the member's log, an allowance, money of the day) is taken in one transaction before the call,
under the version of what the member wants: so caps hold, and an opt-out that came first wins. Who dies between the call
and its conclusion leaves a message of which nobody knows whether it was sent: it is not sent again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

import msgspec

from chalicelib.core import clock, log, metrics
from chalicelib.core.errors import MallError
from chalicelib.core.metrics import Metric
from chalicelib.customers.members import service as members
from chalicelib.growth.messaging import queries
from chalicelib.growth.messaging.carrying import service as carrying
from chalicelib.growth.messaging.carrying.rules import Letter
from chalicelib.growth.messaging.contacts import service as contacts
from chalicelib.growth.messaging.contacts.rules import taken
from chalicelib.growth.messaging.ports import source_of
from chalicelib.growth.messaging.returning import service as returning
from chalicelib.growth.messaging.rules import WAITING, Message, Reserved
from chalicelib.growth.messaging.sending.queries import Look, day_now, look
from chalicelib.growth.messaging.sending.rules import (
    Decision,
    Drop,
    Facts,
    Hold,
    Send,
    again_seconds,
    bounds_of,
    decide,
)
from chalicelib.growth.messaging.settings import MEDIA
from chalicelib.growth.messaging.states import service as states
from chalicelib.growth.messaging.tables import Contacts, MessageCounts, allowance_part, spend_key
from chalicelib.growth.messaging.templates.rules import filled, form_of, rendered
from chalicelib.platform.jobs.declarations import find_kind
from chalicelib.platform.jobs.job import LEASE_SECONDS, Job, RetryLater
from chalicelib.platform.jobs.queue import schedule
from chalicelib.platform.store.transaction import Transaction
from chalicelib.platform.store.versioned import TRIES_CROWDED, Conflict, Versioned, commit, retry

#: How often a message is looked at in one job: each medium and each form may refuse it once.
_LOOKS_MAX = 8
#: How often its conclusion is tried, and how long it waits before, in seconds: what is not written now is never known.
_CONCLUDES_MAX, _CONCLUDE_SECONDS = 6, 0.2
#: How long a message waits, again and again, while something that it depends on cannot be read.
_UNREAD_SECONDS = 600.0


def push(job: Job) -> None:
    """Send a message, where it is to be sent; what is held, or wants patience, has its job moved. Done again, it does
    what is left. Raises RetryLater, `conflict`, `unavailable`."""
    for _ in range(_LOOKS_MAX):
        found = queries.find(job.key)
        if found is None or found.value.state not in (*WAITING, "sending"):
            return
        if found.value.state == "sending":
            _abandoned(found)
            return
        letter = _reserve(job, found)
        if letter is None or _carried(job, letter):
            return
    raise RetryLater(_CONCLUDE_SECONDS)


def _reserve(job: Job, seen_first: Versioned[Message]) -> Letter | None:
    """Decide what becomes of the message, and write it: reserved, held or dropped. Gives what is to be handed over, if
    anything. It was just read; where another was quicker, it is read again."""
    known = [seen_first]

    def once() -> Letter | None:
        found = known.pop() if known else queries.find(job.key)
        if found is None or found.value.state not in WAITING:
            return None
        seen, decided = _decided(found.value)
        tx = Transaction()
        if isinstance(decided, Send) and not _stands(tx, found.value):
            decided = Drop("recalled", decided.medium)
            tx = Transaction()
        match decided:
            case Send():
                assert seen is not None
                after = _reserved(tx, seen, decided)
            case Hold():
                after = _held(job, tx, found.value, decided)
            case Drop():
                after = _dropped(found.value, decided)
        states.write(tx, found, after)
        commit(tx)
        if seen is None or not isinstance(decided, Send) or after.state != "sending":
            return None
        return letter_of(seen.facts, decided)

    try:
        return retry(once, TRIES_CROWDED)
    except _Unread as fault:
        log.error("message_undecided", fault.__cause__ or fault)
        raise RetryLater(min(fault.left, _UNREAD_SECONDS)) from None


class _Unread(Exception):
    """Something that the message depends on cannot be read; `left`: for how many seconds the message is good."""

    def __init__(self, left: float) -> None:
        super().__init__()
        self.left = left


def _decided(message: Message) -> tuple[Look | None, Decision]:
    """Decide what becomes of the message, by all that it depends on. What cannot be read waits until its time is over,
    as the code that can may be on its way. Raises _Unread."""
    try:
        seen = look(message)
    except msgspec.MsgspecError as fault:
        left = (message.expires_at - clock.now()).total_seconds()
        if left > 0:
            raise _Unread(left) from fault
        return None, Drop("expired", message.medium)
    return seen, Drop("template_gone", message.medium) if seen is None else decide(seen.facts, clock.now())


def _stands(tx: Transaction, message: Message) -> bool:
    source = source_of(message)
    return source is None or source.stands(tx, message)


def _reserved(tx: Transaction, seen: Look, send: Send) -> Message:
    """Take what the send needs as part of `tx`, and give the message that is being sent. A call that staff makes is
    sent as its task is open: nobody outside is asked."""
    person, now = seen.facts.person, clock.now()
    assert person is not None
    reserved = Reserved(
        member_id=person.member_id, window=send.window, fen=send.fen, shard=send.shard,
        day=day_now() if send.fen else "",
        openid=send.allowance.openid if send.allowance else "",
        template_id=send.allowance.template_id if send.allowance else "",
        holder=send.allowance.member_id if send.allowance else "",
    )  # fmt: skip
    after = msgspec.structs.replace(
        seen.facts.message, state="sending", reason="", medium=send.medium, sending_at=now, held_until=None,
        reserved=reserved, cost_fen=send.fen, template_version=seen.facts.template.version,
    )  # fmt: skip
    members.stays(tx, person.member_id)  # who leaves, or becomes another, meanwhile is looked at again
    contact = taken(seen.facts.contact, after, now)
    if contact is seen.facts.contact:
        contacts.hold(tx, person.member_id, seen.contact_version)
    else:
        contacts.write(tx, person.member_id, seen.contact_version, contact)
    if send.allowance is not None:
        key = (send.allowance.member_id, allowance_part(send.allowance.openid, send.allowance.template_id))
        tx.update(Contacts, key, [Contacts.left.add(-1)], Contacts.left >= 1, Conflict)
    if send.fen:
        _spend(tx, reserved, bounds_of(seen.facts.terms.media))
    if send.way == "call":
        _open_task(tx, after, seen.facts)
        return msgspec.structs.replace(after, state="sent", sent_at=now, ended_at=now, reserved=None)
    return after


def _spend(tx: Transaction, reserved: Reserved, bounds: Mapping[int, int] | None) -> None:
    """Count what the message costs in its shard of the day, where that has room for it."""
    condition = None
    if bounds is not None:
        room = bounds[reserved.shard] - reserved.fen
        condition = MessageCounts.spent <= room
        if room >= 0:
            condition |= MessageCounts.spent.does_not_exist()
    key = spend_key(reserved.day, reserved.shard)
    tx.update(MessageCounts, key, [MessageCounts.spent.add(reserved.fen)], condition, Conflict)


def _open_task(tx: Transaction, message: Message, facts: Facts) -> None:
    """Have staff call the member, as part of `tx`."""
    from chalicelib.growth.messaging.tasks import service as tasks

    tasks.open_task(tx, tasks.call_of(message, facts.template.name, rendered(facts.template.text, message.values)))


def letter_of(facts: Facts, send: Send) -> Letter:
    """Write what is handed to the platform."""
    template, values = facts.template, facts.message.values
    form = form_of(template, send.medium)
    return Letter(
        message_id=facts.message.message_id, way=send.way, to=send.to, template_id=form.template_id,
        fields=filled(form, send.medium, values), page=form.page, text=rendered(template.text, values),
    )  # fmt: skip


def _held(job: Job, tx: Transaction, message: Message, hold: Hold) -> Message:
    """Move the job to the end of the hold as part of `tx`."""
    _owe_again(job, tx, hold.until)
    return msgspec.structs.replace(message, state="held", reason=hold.reason, medium=hold.medium, held_until=hold.until)


def _owe_again(job: Job, tx: Transaction, at: datetime) -> None:
    kind = find_kind(job.task.kind)
    assert kind is not None
    schedule(tx, kind, job.key, at)
    job.finish(tx)


def _dropped(message: Message, drop: Drop) -> Message:
    values = {} if drop.reason == "gone" else message.values
    return msgspec.structs.replace(
        message, state="dropped", reason=drop.reason, medium=drop.medium, held_until=None, ended_at=clock.now(),
        values=values,
    )  # fmt: skip


def _carried(job: Job, letter: Letter) -> bool:
    """Hand the message over and conclude it; False where it is to be looked at again at once, for another medium."""
    try:
        ref = carrying.carry(letter)
    except carrying.Uncarried as fault:
        return _refused(job, letter, fault)
    _conclude(job.key, lambda message: _sent(message, ref))
    return True


def _refused(job: Job, letter: Letter, fault: carrying.Uncarried) -> bool:
    """Conclude a message whose call failed. What surely had no effect is given back."""
    match fault.meaning:
        case "unknown" if not MEDIA.current().resend_unknown:
            log.warning("message_unknown", way=letter.way, reason=fault.code)
            _conclude(job.key, lambda message: _ended(message, "unknown", fault.code))
            metrics.add(Metric.MESSAGES_UNKNOWN)
        case "ours":
            log.error("message_refused", way=letter.way, reason=fault.code)
            _conclude(job.key, lambda message: _ended(message, "failed", fault.code), gives_back=True)
            metrics.add(Metric.MESSAGES_FAILED)
        case "unreachable":
            _conclude(job.key, _unreached, gives_back=True)
            return False
        case "spent":
            _conclude(job.key, _waiting, gives_back=True, spent=letter)
            return False
        case _:
            log.warning("message_later", way=letter.way, reason=fault.code)
            _conclude(job.key, lambda message: _later(message, fault.code), gives_back=True, moves=job)
    return True


def _sent(message: Message, ref: str) -> Message:
    now = clock.now()
    return msgspec.structs.replace(message, state="sent", sent_at=now, ended_at=now, ref=ref, reserved=None)


def _ended(message: Message, state: Any, code: str) -> Message:
    cost = message.cost_fen if state == "unknown" else 0
    return msgspec.structs.replace(
        message, state=state, reason=code, ended_at=clock.now(), reserved=None, cost_fen=cost
    )


def _waiting(message: Message) -> Message:
    return msgspec.structs.replace(message, state="queued", sending_at=None, reserved=None, cost_fen=0)


def _unreached(message: Message) -> Message:
    assert message.medium is not None
    return msgspec.structs.replace(_waiting(message), tried=[*message.tried, message.medium])


def _later(message: Message, code: str) -> Message:
    return msgspec.structs.replace(_waiting(message), attempts=message.attempts + 1, reason=code)


def _conclude(
    message_id: str,
    decided: Callable[[Message], Message],
    *,
    gives_back: bool = False,
    spent: Letter | None = None,
    moves: Job | None = None,
) -> None:
    """Write what became of a message that was being sent, and give back what it had taken; `spent` is the letter whose
    allowance or window its platform says is used up, `moves` the job that sends it again later. What was told of it by
    its platform meanwhile stays. Raises what a transaction raises."""

    def once() -> None:
        found = queries.find(message_id)
        if found is None or found.value.state != "sending":
            return  # its platform was quicker, or its member is gone
        after = decided(found.value)
        tx = Transaction()
        if gives_back:
            returning.give_back(tx, found.value, spent)
        if moves is not None:
            _owe_again(moves, tx, clock.now() + timedelta(seconds=again_seconds(found.value)))
        states.write(tx, found, after)
        commit(tx)

    for attempt in range(_CONCLUDES_MAX):
        try:
            retry(once, TRIES_CROWDED)
            return
        except MallError:
            if attempt + 1 == _CONCLUDES_MAX:
                raise
            clock.sleep(_CONCLUDE_SECONDS * 2**attempt)


def _abandoned(found: Versioned[Message]) -> None:
    """Take a message for unknown whose sender is long dead; raise RetryLater while another may be at it."""
    assert found.value.sending_at is not None
    left = LEASE_SECONDS - (clock.now() - found.value.sending_at).total_seconds()
    if left > 0:
        raise RetryLater(left + 1)
    log.warning("message_unknown", way=found.value.medium or "", reason="abandoned")
    metrics.add(Metric.MESSAGES_UNKNOWN)
    if MEDIA.current().resend_unknown:
        _conclude(found.value.message_id, _waiting, gives_back=True)
        raise RetryLater(1)
    _conclude(found.value.message_id, lambda message: _ended(message, "unknown", "abandoned"))


def recall(message_id: str) -> Message:
    """Call a message back that was not sent yet. Said again, it changes nothing. Raises `not_found`, `message_state`
    where it is sent or being sent, `conflict`."""

    def once() -> Message:
        found = queries.message(message_id)
        if found.value.state == "dropped":
            return found.value
        if found.value.state not in WAITING:
            raise MallError("message_state")
        tx = Transaction()
        after = _dropped(found.value, Drop("recalled", found.value.medium))
        states.write(tx, found, after)
        commit(tx)
        return after

    return retry(once)
