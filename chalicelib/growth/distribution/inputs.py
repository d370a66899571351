"""What distributors and operators send about distribution."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from chalicelib.growth.distribution.rules import CommissionState, DistributorState, PagePath, TierId
from chalicelib.platform.web.types import Cleaned, Id, PageQuery, Reason256

Channel = Annotated[str, Meta(min_length=1, max_length=32, pattern=r"^[A-Za-z0-9._-]+$(?!\n)")]


class CustomersQuery(PageQuery, kw_only=True):
    """Whose: 1, those whom I brought; 2, those whom they brought."""

    level: Annotated[int, Meta(ge=1, le=2)] = 1


class CommissionsQuery(PageQuery, kw_only=True):
    """Which: of a state, of days of Asia/Shanghai, both included."""

    state: CommissionState | None = None
    since: date | None = msgspec.field(default=None, name="from")
    until: date | None = msgspec.field(default=None, name="to")


class LeaderboardQuery(msgspec.Struct, kw_only=True):
    """Of which month, such as 2026-11; this one, where none is named."""

    month: Annotated[str, Meta(pattern=r"^20[0-9]{2}-(0[1-9]|1[0-2])$(?!\n)")] | None = None


class LinkInput(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """What to share: a product, a page (the mall's own page for it, where none is named); and through what channel."""

    product_id: Id | None = None
    page: PagePath | None = None
    channel: Channel | None = None


Sort = Literal["applied", "sales"]


class TierInput(msgspec.Struct, forbid_unknown_fields=True):
    """The tier to put a distributor into; "standard" for none."""

    tier: TierId


class WriteOffInput(Cleaned, frozen=True, forbid_unknown_fields=True):
    """Why; the entry keeps it."""

    reason: Reason256


class DistributorsQuery(PageQuery, kw_only=True):
    """In which state, and by what."""

    state: DistributorState = "pending"
    sort: Sort = "applied"


class AdminCommissionsQuery(PageQuery, kw_only=True):
    """Of an order, of a distributor, or made on a day (Asia/Shanghai)."""

    order_id: Id | None = None
    member_id: Id | None = None
    day: date | None = None
