"""The merchant's settings of coupons: from which sum on two operators must agree."""

from __future__ import annotations

import msgspec

from chalicelib.mall.settings.service import declare
from chalicelib.platform.web.types import Fen


class CouponRules(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`second_operator_above_fen`: above so much, of one operator in a day, two operators must agree to let coupons out
    with which goods can be had for nothing; with none, which is the default because a shop may have one operator only,
    none needs a second."""

    second_operator_above_fen: Fen | None = None


COUPONS = declare("coupons", CouponRules)


def coupon_rules() -> CouponRules:
    """Read the rules of coupons, possibly `cache_seconds` old. Raises `unavailable`."""
    return COUPONS.current()
