"""Putting messages where they are sent from, in the transaction of what they follow from."""

from __future__ import annotations

from chalicelib.core import clock
from chalicelib.growth.messaging import queries
from chalicelib.growth.messaging.jobs import PUSH, PUSH_NOTICE
from chalicelib.growth.messaging.rules import Asked, asked_as
from chalicelib.growth.messaging.tables import Messages, message_item
from chalicelib.platform.jobs.queue import schedule
from chalicelib.platform.store.transaction import Transaction

#: How the source of a notice begins. What journeys send goes in the lane of the many whatever it is for: a hundred
#: thousand may be in one.
NOTICE = "notice:"
#: What a message is in the transaction that queues it: itself, and its job.
ACTIONS = 2


def queue(tx: Transaction, asked: Asked) -> None:
    """Queue a message as part of `tx`, with the job that sends it, at once or not before its time: two actions.

    What is there already under its id stays as it is, whatever became of it. Its template is read from memory; where
    there is none, or it cannot be read, whoever asks goes on all the same, and its sending finds that out.
    """
    message = asked_as(asked, queries.purpose_of(asked.template_id), clock.now())
    item = message_item(message, 1)
    kept = [
        getattr(Messages, field).set(getattr(Messages, field) | value)
        for field, value in item.attribute_values.items()
        if field != "message_id"
    ]
    tx.update(Messages, (message.message_id,), kept)
    is_notice = message.purpose == "transactional" and message.source.startswith(NOTICE)
    kind = PUSH_NOTICE if is_notice else PUSH
    run_at = asked.not_before if asked.not_before is not None and asked.not_before > clock.now() else None
    schedule(tx, kind, message.message_id, run_at)
