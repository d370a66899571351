"""What coupons keep of a member: which they have or had. There is nothing of the person in it to erase."""

from __future__ import annotations

from typing import Any, get_args

from chalicelib.coupons import claims
from chalicelib.coupons.rules import CouponState
from chalicelib.coupons.views import coupon_view
from chalicelib.members.person import keeps

_PAGE = 100
_STATES: tuple[CouponState, ...] = get_args(CouponState)


def _coupons(member_id: str, position: str | None) -> tuple[list[Any], str | None]:
    number, _, after = (position or "0|").partition("|")
    held, rest = claims.mine(member_id, _STATES[int(number)], _PAGE, after or None)
    shown = [coupon_view(one) for one in held]
    if rest is not None:
        return shown, f"{number}|{rest}"
    return shown, f"{int(number) + 1}|" if int(number) + 1 < len(_STATES) else None


keeps("coupons", _coupons)
