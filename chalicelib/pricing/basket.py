"""What is bought, and what each line of it costs by now, on its way through promotions and coupons. Pure."""

from __future__ import annotations

import msgspec

#: The freight template of products that name none. Where the merchant has not made it, freight is free.
DEFAULT_TEMPLATE = "default"


class Item(msgspec.Struct, frozen=True, kw_only=True):
    """What is bought of one SKU."""

    sku_id: str
    quantity: int
    unit_price_fen: int
    weight_g: int = 0
    template_id: str = DEFAULT_TEMPLATE
