"""What operators send of channels and live rooms."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import msgspec
from msgspec import Meta

from chalicelib.customers.channels.rules import ChannelCode, ChannelKind, Cost, CostPer, RoomKind
from chalicelib.platform.web.types import Id, ShortText

Instant = Annotated[datetime, Meta(tz=True)]


class ChannelChangeInput(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """What a channel is: `cost_fen` a day, or once. One that is not `active` stands in the archive."""

    name: ShortText
    kind: ChannelKind
    cost_fen: Cost = 0
    cost_per: CostPer = "once"
    active: bool = True


class ChannelInput(ChannelChangeInput, kw_only=True, forbid_unknown_fields=True):
    """A channel, with the code that is its own for ever."""

    code: ChannelCode


class LiveRoomChangeInput(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """What a live room is: whose, what it is called, and when it is live."""

    kind: RoomKind
    host: ShortText
    title: ShortText
    starts_at: Instant
    ends_at: Instant


class LiveRoomInput(LiveRoomChangeInput, kw_only=True, forbid_unknown_fields=True):
    """A live room, with the id by which clients name it."""

    room_id: Id
