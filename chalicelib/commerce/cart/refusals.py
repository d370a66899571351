"""Why a cart does not take something, in both languages, and the names of the fields that come in. Pure."""

from __future__ import annotations

from chalicelib.core.errors import Labels, Reason

CART_FULL = Reason(
    "cart_full",
    "购物车最多放 {limit} 种商品，请先移除一些",
    "the cart holds at most {limit} different products; remove some first",
)
NOT_FOR_THE_CART = Reason("not_for_the_cart", "{name} 已下架，不能加入购物车", "{name} is no longer on sale")

FIELDS: Labels = {"sku_id": ("商品", "product"), "selected": "是否选中"}
