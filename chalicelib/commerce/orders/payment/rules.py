"""What WeChat tells of a payment, and what that means for its order. Pure."""

from __future__ import annotations

from datetime import datetime

import msgspec

from chalicelib.commerce.orders.rules import Order


def is_payable(order: Order, word: str | None, now: datetime) -> bool:
    """Tell whether the order, which is not paid, may still be: by WeChat's word for its payment, and its own deadline.

    `word` is None where WeChat has never heard of it. WeChat itself ends a payment at its deadline.
    """
    return word not in (None, "CLOSED") and not (word == "NOTPAY" and now >= order.unpayable_from)


def paid_from(order: Order, openid: str | None) -> Order:
    """Give the order the openid that its payment came from, where WeChat tells it: it may be of another login of its
    member's than the one that placed it. Of who has left nothing is kept."""
    if not openid or openid == order.openid or not order.openid:
        return order
    return msgspec.structs.replace(order, openid=openid)
