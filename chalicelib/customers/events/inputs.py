"""What clients tell of what a member does, and what operators ask of it."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import msgspec
from msgspec import Meta

from chalicelib.customers.members.inputs import SourceInput
from chalicelib.platform.web.types import PageQuery, ShortText, Text256

#: A UUID of version 7 (RFC 9562), made by the client once for each batch.
BatchId = Annotated[
    str,
    Meta(
        pattern=r"^[0-9A-Fa-f]{8}-[0-9A-Fa-f]{4}-7[0-9A-Fa-f]{3}-[89ABab][0-9A-Fa-f]{3}-[0-9A-Fa-f]{12}$(?!\n)",
        description="A UUID of version 7, made once for the batch; sent again, it is the same batch.",
    ),
]
Instant = Annotated[datetime, Meta(tz=True)]
EventId = ShortText
#: What the plan calls something; other names are told one by one what is wrong with them.
EventName = Annotated[str, Meta(min_length=1, max_length=64)]
PropName = Annotated[str, Meta(min_length=1, max_length=40)]
#: Whole numbers that every client can say exactly.
Whole = Annotated[int, Meta(ge=-(2**53) + 1, le=2**53 - 1)]
Props = Annotated[dict[PropName, Text256 | Whole | bool], Meta(max_length=20)]


class EventInput(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """Something that the member did, by the client's clock; which events and props there are says docs/events.md."""

    event_id: EventId
    name: EventName
    at: Instant
    props: Props = {}


class SessionInput(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """The client's session: a new one after half an hour of rest, and wherever somebody comes by a new way."""

    id: ShortText
    source: SourceInput | None = None
    platform: ShortText | None = None
    app_version: ShortText | None = None


class EventBatchInput(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A batch of events. Sent again it is the same but for `sent_at`, which is the client's clock as it sends."""

    batch_id: BatchId
    sent_at: Instant
    events: Annotated[list[EventInput], Meta(min_length=1, max_length=50)]
    session: SessionInput | None = None


class EventsQuery(PageQuery, kw_only=True):
    """From when on, until when (90 days ago and now when left out), and events of which name."""

    since: Instant | None = msgspec.field(default=None, name="from")
    until: Instant | None = None
    name: EventName | None = None
