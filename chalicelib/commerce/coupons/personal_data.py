"""What coupons keep of a member: which they have or had, and what they shared. There is nothing of the person in it to
erase."""

from __future__ import annotations

from typing import Any, get_args

from chalicelib.commerce.coupons.rules import CouponState
from chalicelib.commerce.coupons.sharing.rules import share_token
from chalicelib.commerce.coupons.tables import share_key
from chalicelib.commerce.coupons.templates import queries as template_queries
from chalicelib.commerce.coupons.views import coupon_view
from chalicelib.commerce.coupons.wallet import queries as wallet_queries
from chalicelib.customers.members.ports import DataOwner
from chalicelib.platform.store import read

_PAGE = 100
_STATES: tuple[CouponState, ...] = get_args(CouponState)


def _coupons(member_id: str, position: str | None) -> tuple[list[Any], str | None]:
    number, _, after = (position or "0|").partition("|")
    held, rest = wallet_queries.coupons_of_member(member_id, _STATES[int(number)], _PAGE, after or None)
    shown = [coupon_view(one) for one in held]
    if rest is not None:
        return shown, f"{number}|{rest}"
    return shown, f"{int(number) + 1}|" if int(number) + 1 < len(_STATES) else None


def _shares(member_id: str, position: str | None) -> tuple[list[Any], str | None]:
    """The member's share tokens: at most one of each template, made of both."""
    templates, rest = template_queries.page(_PAGE, position)
    tokens = [share_token(one.template_id, member_id) for one in templates]
    shown = [
        {"template_id": item.template_id, "share_token": token, "rewards": int(item.rewards or 0)}
        for token, item in zip(tokens, read.batch_get([share_key(token) for token in tokens]), strict=True)
        if item is not None
    ]
    return shown, rest


DATA_OWNERS = (DataOwner("coupons", _coupons), DataOwner("coupon_shares", _shares))
