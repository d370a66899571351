"""Two shoppers with something of everything, and a follower of the official account: what they have, by what it is."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from chalicelib.commerce.cart.rules import CartLine
from chalicelib.commerce.cart.tables import Carts, map_of
from chalicelib.core import clock
from chalicelib.customers.members.followers import service as followers
from chalicelib.customers.members.identities.service import owner_of
from chalicelib.customers.members.logins import service as logins
from chalicelib.customers.members.ports import data_owners
from chalicelib.customers.members.queries import current
from chalicelib.customers.members.rules import Source, Visit
from chalicelib.customers.members.service import visited
from chalicelib.customers.members.tables import oa_identity
from chalicelib.gateways.wechat import mini, oa
from chalicelib.growth.distribution.bindings.service import bind
from chalicelib.growth.distribution.distributors import service as distributors
from chalicelib.growth.distribution.links import service as links
from chalicelib.ledger import queries as ledger
from tests.support.segment_mall import DAY, SegmentMall

#: Of these a member has one, or counts of it; all others show one thing for each that there is.
_ONE_EACH = frozenset({"profile", "distributor", "account", "bound_to", "traits", "consents", "merges"})
#: What only says how somebody became who they are, or lets go of itself.
_PASSING = frozenset({"segment_history", "orders_of_late", "merges", "profile"})
#: What is read beside a profile; who became another has none.
_OF_PROFILE = frozenset({"addresses"})


@contextlib.contextmanager
def told_by_wechat(unionids: dict[str, str]) -> Iterator[None]:
    """WeChat says of a code that it is of the openid that it is called by; and of openids, whose unionid is which."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(mini, "code2session", lambda code: mini.Session(openid=code, unionid=unionids.get(code)))
        patch.setattr(oa, "follower", lambda openid: oa.Follower(1, unionids.get(openid)))
        yield


def log_in(openid: str) -> str:
    """Somebody logs in with the account of that openid; which member that is."""
    return logins.login(openid, Visit(at=clock.now())).profile.member_id


def shopper(mall: SegmentMall, openid: str, tag: str) -> str:
    """Somebody new who has an order that is completed, a cart, a coupon, a link, a customer who brought a commission, a
    withdrawal, touches, events and a tag."""
    shop = mall.mall
    member_id = mall.with_address(log_in(openid))
    code = distributors.apply(member_id).invite_code
    distributors.approve(member_id)
    customer = mall.member()
    assert bind(customer, code) is not None
    shop.deliver(shop.buy(customer, ("cup", 2)))
    shop.deliver(shop.buy(member_id, ("cup", 1), coupons=(shop.coupon(member_id, "tenth"),)))
    shop.wait(8 * DAY)
    shop.withdraw(member_id, 100)
    shop.deliver(shop.buy(customer, ("cup", 1)))
    links.make(member_id, None, None, "x")
    knows(mall, member_id, tag)
    shop.coupon(member_id)
    Carts(member_id, lines=map_of([CartLine(openid, 1, True, 0)])).save()
    return member_id


def knows(mall: SegmentMall, member_id: str, tag: str) -> None:
    """The mall knows by which way they came, what they looked at, and what they are like."""
    for channel in ("poster", f"ad-{member_id[-4:]}"):
        visited(member_id, Visit(at=clock.now(), source=Source(channel=channel, at=clock.now())))
        mall.mall.clock.advance(1)
    seen: dict[str, Any] = {"product_id": "p1", "from": "home"}
    mall.hear(member_id, "product_view", **seen)
    mall.operator.post(f"/v1/admin/members/{member_id}/tags", {"add": [tag], "reason": "x"}).ok()
    mall.mall.work()


def begins(mall: SegmentMall, *member_ids: str) -> None:
    """Each of these has begun something: a seat in an open lobby, and an unpaid order that holds a coupon."""
    shop = mall.mall
    activity = shop.activity("fixed", {3: 6_000}, limit_per_member=9)
    for member_id in member_ids:
        shop.buy(member_id, ("group", 1), group=shop.opens(activity))
        shop.place(member_id, ("cup", 1), coupons=(shop.coupon(member_id),))


def follow(mall: SegmentMall, openid: str) -> str:
    """Somebody follows the official account under that openid; which member that is."""
    followers.hear(openid, clock.now(), follows=True)
    mall.mall.work()
    found = owner_of(oa_identity(openid))
    assert found is not None
    return found


def sums(*member_ids: str) -> Counter[str]:
    """How much there is of everything that any wing keeps of these members, by what it is; and the fen they have."""
    found: Counter[str] = Counter()
    for member_id in member_ids:
        for owner in data_owners():
            if owner.name in _PASSING or (owner.name in _OF_PROFILE and current(member_id) is None):
                continue
            position: str | None = None
            while True:
                page, position = owner.pages(member_id, position)
                found[owner.name] += sum(_pieces(one) for one in page)
                if owner.name in ("orders", "coupons"):
                    found.update(f"{owner.name} {one.state}" for one in page)
                if position is None:
                    break
        has = ledger.balance(member_id)
        found.update({f"{name} fen": getattr(has, name) for name in ("pending", "available", "withdrawn")})
        found["withdrawing fen"] += has.withdrawing
    return as_one(found)


def as_one(found: Counter[str]) -> Counter[str]:
    """What two have together, when they are one: one of what a member has one of."""
    return Counter({what: 1 if what in _ONE_EACH else count for what, count in found.items() if count})


def _pieces(shown: Any) -> int:
    """How many pieces it says; one, where it speaks of none."""
    return int(shown.get("pieces", 1)) if isinstance(shown, dict) else 1
