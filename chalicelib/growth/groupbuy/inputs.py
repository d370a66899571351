"""What operators send to make an activity."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import msgspec
from msgspec import Meta

from chalicelib.growth.groupbuy.rules import Kind, Lottery, Prices, SetAside, Sizes, Variant
from chalicelib.platform.web.types import Cursor, Id

Title = Annotated[str, Meta(max_length=64, pattern=r"^[^\x00-\x1f\x7f]*$(?!\n)")]


class ActivityInput(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A group-buy as an operator names it. `sizes` of a ladder are its steps; `limit_per_member` counts pieces;
    with `min_fill` paid seats a lobby succeeds at its expiry; without `stock` it sells from the SKUs' own; a lottery
    of which nothing is said draws one winner in each lobby, who gets the goods."""

    product_id: Id
    kind: Kind
    name: Title = ""
    sizes: Sizes
    prices: Prices
    lobby_minutes: Annotated[int, Meta(ge=1, le=60 * 24 * 30)] = 24 * 60
    starts_at: Annotated[datetime, Meta(tz=True)]
    ends_at: Annotated[datetime, Meta(tz=True)]
    limit_per_member: Annotated[int, Meta(ge=1, le=999)] | None = None
    min_fill: Annotated[int, Meta(ge=2, le=100)] | None = None
    new_customers_only: bool = False
    stock: Annotated[list[SetAside], Meta(max_length=40)] | None = None
    variants: Annotated[list[Variant], Meta(max_length=5)] = []
    lottery: Lottery | None = None


class ProofQuery(msgspec.Struct, kw_only=True):
    """Which page of the proof of a draw: the first, or what its answer has as `next_cursor`."""

    cursor: Cursor | None = None
