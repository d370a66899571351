"""The merchant's settings of prices, with defaults and bounds."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from chalicelib.mall.settings.service import declare


class PricingRules(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The floor: the share of a line's amount, in basis points, below which promotions and coupons together bring no
    line."""

    floor_bp: Annotated[int, Meta(ge=0, le=10_000)] = 0


PRICING = declare("pricing", PricingRules)
