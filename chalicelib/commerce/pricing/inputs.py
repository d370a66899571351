"""What shoppers ask of promotions."""

from __future__ import annotations

import msgspec

from chalicelib.platform.web.types import Id


class PromotionsQuery(msgspec.Struct, kw_only=True):
    """Which promotions: all that run, or those that a product has a part in."""

    product_id: Id | None = None
