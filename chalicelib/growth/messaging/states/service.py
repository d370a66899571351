"""Writing a message in its next state, with all that follows: it is counted, and its run hears of its end."""

from __future__ import annotations

import msgspec

from chalicelib.core import clock
from chalicelib.growth.messaging.ports import results
from chalicelib.growth.messaging.rules import Message, may_become
from chalicelib.growth.messaging.states.rules import counted_as, has_ended
from chalicelib.growth.messaging.tables import MessageCounts, Messages, count_key, message_item, ref_item
from chalicelib.platform.store import tallies
from chalicelib.platform.store.transaction import Transaction
from chalicelib.platform.store.versioned import Conflict, Versioned


def write(tx: Transaction, before: Versioned[Message], after: Message) -> None:
    """Write the message as part of `tx` under the version that was read, count where it stands now, and tell its run as
    it ends. Its platform's id of it, where that is new, leads to it from then on."""
    then = before.value
    if after.state != then.state and not may_become(then.state, after.state):
        raise ValueError(f"a message that is {then.state} does not become {after.state}")
    tx.put(message_item(after, before.version + 1), Messages.version == before.version, Conflict)
    _count(tx, then, after)
    if after.ref and after.ref != then.ref and after.medium is not None:
        tx.put(ref_item(after, clock.now()))
    if after.run and has_ended(after) and not has_ended(then):
        results().ended(tx, after)


def forget(tx: Transaction, before: Versioned[Message]) -> None:
    """Delete the message as part of `tx`, as its member is gone; one that waits counts as dropped from then on. Its run
    goes with the member, and is told nothing."""
    tx.delete(Messages, (before.value.message_id,), Messages.version == before.version, Conflict)
    if not has_ended(before.value):
        _count(tx, before.value, msgspec.structs.replace(before.value, state="dropped", reason="gone"))


def _count(tx: Transaction, before: Message, after: Message) -> None:
    was, now = counted_as(before), counted_as(after)
    if was != now:
        key = count_key(after.source, after.message_id)
        for name, more in ((was, -1), (now, 1)):
            if name:
                tallies.tally(tx, MessageCounts, key, {name: more})
