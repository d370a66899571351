"""Reads of whether what runs have queued is still wanted."""

from __future__ import annotations

import msgspec

from chalicelib.core import log
from chalicelib.growth.journeys.book.queries import book
from chalicelib.growth.journeys.runs.queries import find
from chalicelib.growth.journeys.runs.rules import read_name
from chalicelib.growth.messaging.rules import Message


def is_wanted(message: Message) -> bool:
    """Say whether a message that a run has queued is to go out: not once the run was cut off, or its journey was ended
    at once, possibly as it was a moment ago. Of what is not known, or cannot be read, nobody has said so."""
    try:
        known = book().journeys.get(message.source.partition(":")[2])
    except msgspec.MsgspecError as fault:
        log.error("journeys_unreadable", fault)
        return True
    if known is not None and known.journey.stopped:
        return False
    run = find(*read_name(message.part_of)) if message.part_of else None
    return run is None or not run.cut
