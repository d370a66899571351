"""What platforms tell of a message after they took it: it arrived, or it did not. Told twice, late, or in any order, it
comes to the same: what once arrived has arrived."""

from __future__ import annotations

from typing import Any

import msgspec

from chalicelib.core import clock
from chalicelib.growth.messaging import queries
from chalicelib.growth.messaging.rules import Medium, Message, may_become
from chalicelib.growth.messaging.states import service as states
from chalicelib.growth.messaging.tables import Messages, ref_of
from chalicelib.platform.store import read
from chalicelib.platform.store.transaction import Transaction
from chalicelib.platform.store.versioned import commit, retry


def receive(medium: Medium, *, message_id: str = "", ref: str = "", delivered: bool, code: str = "") -> bool:
    """Note that a message arrived, or did not and why (the platform's `code`): by its id, or by its platform's. Whether
    the message is known: one that is only just being sent may not be yet by its platform's id, and is told of again a
    moment later. Raises `conflict`, `unavailable`."""
    found_by = message_id or _message_of(medium, ref)
    return bool(found_by) and retry(lambda: _received(found_by, medium, ref, delivered, code))


def _message_of(medium: Medium, ref: str) -> str:
    item = read.get(Messages, ref_of(medium, ref)) if ref else None
    return "" if item is None else str(item.refers_to)


def _received(message_id: str, medium: Medium, ref: str, delivered: bool, code: str) -> bool:
    found = queries.find(message_id)
    if found is None:
        return False
    before = found.value
    if before.medium != medium or (before.ref and ref and before.ref != ref):
        return True  # it went another way, or by another number, of which this says nothing
    after = _after(before, delivered, code)
    if after is not before:
        tx = Transaction()
        states.write(tx, found, after)
        commit(tx)
    return True


def _after(message: Message, delivered: bool, code: str) -> Message:
    """The message after what its platform tells; the same where that is nothing new."""
    state: Any = "delivered" if delivered else "failed"
    if message.state == state or not may_become(message.state, state):
        return message
    now = clock.now()
    return msgspec.structs.replace(
        message, state=state, reason="" if delivered else code, sent_at=message.sent_at or now, reserved=None,
        ended_at=message.ended_at or now,
    )  # fmt: skip
