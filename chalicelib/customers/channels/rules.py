"""What a channel and a live room are. Pure."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from chalicelib.platform.web.types import Fen

ChannelKind = Literal["poster", "ad", "staff", "live", "store"]
CostPer = Literal["day", "once"]
RoomKind = Literal["channels", "mini"]
#: What a code is printed with, and what the scene of a mini-program code and the state of a WeCom one hold.
ChannelCode = Annotated[str, Meta(pattern=r"^[A-Za-z0-9_-]{1,30}$(?!\n)")]
Cost = Fen


class Channel(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A way by which members come, by the code that leads along it, and what it costs: so many fen a day, or once.

    One that is not `active` is kept in the archive: what was printed with its code still leads here, and is known.
    """

    code: str
    name: str
    kind: ChannelKind
    cost_fen: int = 0
    cost_per: CostPer = "once"
    active: bool = True
    created_at: datetime
    updated_at: datetime


class LiveRoom(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A live room, of WeChat's Channels or of the mini-program, with its host and its time as the merchant has it."""

    room_id: str
    kind: RoomKind
    host: str
    title: str
    starts_at: datetime
    ends_at: datetime
    created_at: datetime
    updated_at: datetime
