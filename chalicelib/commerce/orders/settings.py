"""The merchant's settings of orders: their times and limits, with defaults and bounds."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from chalicelib.mall.settings.service import declare
from chalicelib.platform.web.types import Fen, ShortText

PayMinutes = Annotated[int, Meta(ge=1, le=120)]
ReceiveDays = Annotated[int, Meta(ge=1, le=60)]
RefundDays = Annotated[int, Meta(ge=0, le=90)]
#: What becomes of a refund before shipping when the rest no longer meets the conditions of its prices.
ConditionsLost = Literal["review", "deduct"]
#: An order takes at most 999 pieces of a SKU.
HoldPieces = Annotated[int, Meta(ge=1, le=999)]
UnpaidMax = Annotated[int, Meta(ge=1, le=1000)]


#: WeChat's id of a carrier (get_delivery_list).
CarrierId = Annotated[str, Meta(min_length=1, max_length=32, pattern=r"^[A-Za-z0-9_()&-]+$(?!\n)")]


class OrderRules(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The times of an order: to pay it, until its receipt is taken for granted, and to ask for a refund after that; and
    how many unpaid orders a member may have, and pieces of a SKU in all of them, which they hold from others meanwhile.

    `second_operator_above_fen`: above so much, of one order by one operator, two operators must agree to a refund; with
    none, which is the default because a shop may have one operator only, none needs a second.

    A product's own limit per order stands above `hold_pieces`. Who lets orders go unpaid may have fewer of them.
    `more_carriers`: names of carriers beyond the usual ones, by WeChat's id of them.
    """

    pay_minutes: PayMinutes = 15
    receive_days: ReceiveDays = 10
    refund_days: RefundDays = 7
    unpaid_max: UnpaidMax = 50
    conditions_lost: ConditionsLost = "review"
    hold_pieces: HoldPieces = 10
    more_carriers: Annotated[dict[CarrierId, ShortText], Meta(max_length=50)] = {}
    second_operator_above_fen: Fen | None = None


ORDERS = declare("orders", OrderRules)


def order_rules() -> OrderRules:
    """Read the times and limits of orders, possibly `cache_seconds` old. Raises `unavailable`."""
    return ORDERS.current()
