"""What coupons keep of a member: which they have or had. There is nothing of the person in it to erase."""

from __future__ import annotations

from typing import Any, get_args

from chalicelib.commerce.coupons.rules import CouponState
from chalicelib.commerce.coupons.views import coupon_view
from chalicelib.commerce.coupons.wallet import queries as wallet_queries
from chalicelib.customers.members.ports import DataOwner

_PAGE = 100
_STATES: tuple[CouponState, ...] = get_args(CouponState)


def _coupons(member_id: str, position: str | None) -> tuple[list[Any], str | None]:
    number, _, after = (position or "0|").partition("|")
    held, rest = wallet_queries.coupons_of_member(member_id, _STATES[int(number)], _PAGE, after or None)
    shown = [coupon_view(one) for one in held]
    if rest is not None:
        return shown, f"{number}|{rest}"
    return shown, f"{int(number) + 1}|" if int(number) + 1 < len(_STATES) else None


DATA_OWNERS = (DataOwner("coupons", _coupons),)
