"""What is answered of events."""

from __future__ import annotations

from datetime import date, datetime

import msgspec
from msgspec import UNSET, UnsetType

from chalicelib.core import clock
from chalicelib.customers.events.plan.rules import PropValue
from chalicelib.customers.events.queries import Told
from chalicelib.customers.events.rules import Batch, Drop
from chalicelib.customers.members.rules import Source


class DroppedView(msgspec.Struct, frozen=True, omit_defaults=True):
    """An event that was not taken: its place in the batch, why (docs/events.md), and for which prop."""

    index: int
    code: Drop
    prop: str | UnsetType = UNSET


class EventBatchView(msgspec.Struct, frozen=True, omit_defaults=True):
    """How many events of the batch were taken, which were not, and what time it is at the mall. `left_out`: what of the
    session is not kept, because it looks like a mobile number or an identity card's."""

    accepted: int
    dropped: list[DroppedView]
    server_time: datetime
    left_out: list[str] | UnsetType = UNSET


class EventView(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Something that a member did, by the mall's clock, and the day of Asia/Shanghai; with what the client said of
    itself, and of where the member came from. `clock_unknown`: its clock was so far off that what it tells counts as
    happening when it came."""

    event_id: str
    name: str
    at: datetime
    day: date
    props: dict[str, PropValue]
    received_at: datetime
    clock_unknown: bool = False
    session_id: str | UnsetType = UNSET
    platform: str | UnsetType = UNSET
    app_version: str | UnsetType = UNSET
    source: Source | UnsetType = UNSET


def batch_view(batch: Batch) -> EventBatchView:
    """Answer what became of a batch, now."""
    dropped = [DroppedView(one.index, one.code, one.prop or UNSET) for one in batch.dropped]
    return EventBatchView(batch.accepted, dropped, clock.now(), batch.left_out or UNSET)


def event_view(told: Told) -> EventView:
    """Show an event."""
    event, batch = told.event, told.batch
    return EventView(
        event_id=event.event_id,
        name=event.name,
        at=event.at,
        day=clock.day(event.at),
        props=event.props,
        received_at=batch.received_at,
        clock_unknown=batch.clock_unknown,
        session_id=batch.session_id or UNSET,
        platform=batch.platform or UNSET,
        app_version=batch.app_version or UNSET,
        source=batch.source or UNSET,
    )
