"""What coupons keep of a member: which they have or had, and what they shared. There is nothing of the person in it to
erase; how many they got counts on for who returns."""

from __future__ import annotations

from typing import Any, get_args

from chalicelib.commerce.coupons.absorbing.service import absorb
from chalicelib.commerce.coupons.rules import CouponState
from chalicelib.commerce.coupons.sharing import service as sharing
from chalicelib.commerce.coupons.sharing.rules import share_token
from chalicelib.commerce.coupons.tables import (
    RECEIVED,
    Coupons,
    guesses_item,
    guesses_key,
    received_item,
    received_of,
    share_key,
)
from chalicelib.commerce.coupons.templates import queries as template_queries
from chalicelib.commerce.coupons.views import coupon_view
from chalicelib.commerce.coupons.wallet import queries as wallet_queries
from chalicelib.customers.members.ports import DataOwner
from chalicelib.customers.members.queries import current
from chalicelib.platform.store import read
from chalicelib.platform.store.transaction import save_new

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
    """The member's share tokens: at most one of each template and who they were, made of both."""
    templates, rest = template_queries.page(_PAGE, position)
    member = current(member_id)
    known_as = [member_id, *(() if member is None else (one.member_id for one in member.absorbed))]
    tokens = [share_token(one.template_id, each) for one in templates for each in known_as]
    shown = [
        {"template_id": item.template_id, "share_token": token, "rewards": int(item.rewards or 0)}
        for token, item in zip(tokens, read.batch_get([share_key(token) for token in tokens]), strict=True)
        if item is not None
    ]
    return shown, rest


def _absorb_shares(former: str, member_id: str, position: str | None) -> str | None:
    """Have the former member's tokens be the member's, of a page of templates."""
    templates, rest = template_queries.page(_PAGE, position)
    sharing.absorb(former, member_id, [one.template_id for one in templates])
    return rest


def _hand_on(former: str, member_id: str) -> None:
    """How many of each template they got, what they got for friends, and the wrong codes that still count."""
    of_templates = read.query_all(Coupons, former, where=Coupons.part.startswith(RECEIVED), consistent=True)
    got = {item.part.removeprefix(RECEIVED): received_of(item) for item in of_templates}
    for template_id, count in got.items():
        save_new(received_item(member_id, template_id, count))
    sharing.hand_on(former, member_id, list(got))
    wrong = read.get(Coupons, *guesses_key(former)[1])
    if wrong is not None:
        save_new(guesses_item(member_id, wrong))


DATA_OWNERS = (
    DataOwner("coupons", _coupons, absorb, hand_on=_hand_on),
    DataOwner("coupon_shares", _shares, _absorb_shares),
)
