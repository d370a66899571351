"""A coupon in orders: locked by one of them, used or freed by it alone, given back; and what a quote sees."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any

import pytest

from chalicelib.commerce.coupons.rules import Coupon, Terms
from chalicelib.commerce.coupons.tables import Coupons, coupon_item, coupon_key, held
from chalicelib.commerce.coupons.wallet import queries as wallet_queries
from chalicelib.commerce.coupons.wallet import service as wallet
from chalicelib.core import clock, ids
from chalicelib.core.errors import MallError
from chalicelib.platform.store import read
from chalicelib.platform.store.base import call
from chalicelib.platform.store.transaction import ConditionFailed, Transaction, save
from tests.support.outside import boundary

#: DynamoDB's limit on the items of one BatchWriteItem.
BATCH_MAX = 25


@pytest.fixture(autouse=True)
def tables(dynamodb: str) -> None:
    """They are there."""


@pytest.fixture
def member() -> str:
    return f"m{secrets.token_hex(8)}"


def give(member_id: str, begins: float = -1, ends: float = 60) -> str:
    """A coupon that is valid for these seconds from now."""
    coupon = made(member_id, begins, ends)
    save(coupon_item(coupon))
    return coupon.coupon_id


def made(member_id: str, begins: float, ends: float) -> Coupon:
    return Coupon(
        coupon_id=ids.new("c"), template_id="t1", member_id=member_id, name="立减", received_at=clock.now(),
        how="claim", terms=Terms(kind="amount_off", amount_fen=100), valid_from=later(begins), valid_until=later(ends),
    )  # fmt: skip


def give_many(member_id: str, count: int, begins: float, ends: float) -> list[str]:
    """So many, each of which ends a second after the one before it."""
    coupons = [made(member_id, begins, ends + number) for number in range(count)]
    for start in range(0, count, BATCH_MAX):
        puts = [{"PutRequest": {"Item": coupon_item(each).serialize()}} for each in coupons[start : start + BATCH_MAX]]
        assert not call("BatchWriteItem", {"RequestItems": {Coupons.Meta.table_name: puts}})["UnprocessedItems"]
    return [each.coupon_id for each in coupons]


def later(seconds: float) -> datetime:
    return clock.now() + timedelta(seconds=seconds)


def does(act: Callable[..., Any], *arguments: Any) -> bool:
    """Whether it could be done; who is told that the mall is busy asks again."""
    while True:
        tx = Transaction()
        act(tx, *arguments, "no")
        try:
            tx.commit()
        except ConditionFailed as fault:
            assert fault.failed == ("no",)
            return False
        except MallError as fault:
            assert fault.code == "unavailable"
        else:
            return True


def state(member_id: str, coupon_id: str) -> tuple[str, str]:
    item = read.get(Coupons, *coupon_key(member_id, coupon_id)[1])
    assert item is not None
    return held(item).state, held(item).order_id


def opened(member_id: str) -> list[tuple[str, str]]:
    return [(each.coupon.coupon_id, each.state) for each in wallet_queries.open_coupons(member_id)]


def test_one_order_has_it_and_moves_it(member: str) -> None:
    coupon = give(member)
    assert does(wallet.lock, member, "t1", coupon, "o1", clock.now())
    assert state(member, coupon) == ("locked", "o1")
    assert opened(member) == [(coupon, "locked")]
    assert not does(wallet.lock, member, "t1", coupon, "o2", clock.now())
    assert not does(wallet.lock, member, "t1", coupon, "o1", clock.now())
    assert not does(wallet.use, member, coupon, "o2")
    assert not does(wallet.free, member, "t1", coupon, "o2")
    assert not does(wallet.give_back, member, "t1", coupon, "o1")
    assert does(wallet.use, member, coupon, "o1")
    assert state(member, coupon) == ("used", "o1")
    assert opened(member) == []
    assert not does(wallet.use, member, coupon, "o1")
    assert not does(wallet.free, member, "t1", coupon, "o1")
    assert not does(wallet.give_back, member, "t1", coupon, "o2")
    assert does(wallet.give_back, member, "t1", coupon, "o1")
    assert state(member, coupon) == ("unused", "")
    assert not does(wallet.give_back, member, "t1", coupon, "o1")
    assert does(wallet.lock, member, "t1", coupon, "o2", clock.now())
    assert does(wallet.free, member, "t1", coupon, "o2")
    assert not does(wallet.free, member, "t1", coupon, "o2")
    assert (state(member, coupon), opened(member)) == (("unused", ""), [(coupon, "unused")])


def test_of_ten_orders_at_once_one_has_it(member: str) -> None:
    coupon = give(member)
    with ThreadPoolExecutor(10) as pool:
        told = list(pool.map(lambda n: does(wallet.lock, member, "t1", coupon, f"o{n}", clock.now()), range(10)))
    assert sum(told) == 1
    assert state(member, coupon) == ("locked", f"o{told.index(True)}")


def test_only_its_member_can_lock_it(member: str) -> None:
    coupon = give(member)
    assert not does(wallet.lock, "m-other", "t1", coupon, "o1", clock.now())
    assert not does(wallet.lock, member, "t1", "c404", "o1", clock.now())
    assert state(member, coupon) == ("unused", "")


def test_it_is_locked_while_it_is_valid_and_used_also_later(member: str) -> None:
    early, over = give(member, begins=30), give(member, ends=-0.5)
    assert not does(wallet.lock, member, "t1", early, "o1", clock.now())
    assert does(wallet.lock, member, "t1", early, "o1", later(31))
    assert not does(wallet.lock, member, "t1", over, "o1", clock.now())
    assert does(wallet.use, member, early, "o1")  # whenever the payment comes


def test_a_quote_sees_what_is_open_and_not_over_soonest_end_first(member: str) -> None:
    long, short = give(member, ends=600), give(member, ends=300)
    give(member, ends=-0.5)
    give(f"{member}-2")
    early = give(member, begins=30, ends=60)
    assert opened(member) == [(early, "unused"), (short, "unused"), (long, "unused")]


def test_a_quote_sees_a_hundred_that_can_be_used_behind_any_that_cannot(member: str) -> None:
    early = give_many(member, 150, begins=30, ends=60)
    ready = give_many(member, 120, begins=-1, ends=1000)
    assert does(wallet.lock, member, "t1", ready[1], "o1", clock.now())
    seen = [coupon_id for coupon_id, _ in opened(member)]
    assert seen == [*early[: wallet_queries.OTHERS_MAX], ready[0], *ready[2:101]]
    assert len(ready[2:101]) == wallet_queries.READY_MAX - 1


def test_a_quote_looks_at_five_hundred_open_coupons_and_mostly_at_one_page(member: str) -> None:
    early = give_many(member, wallet_queries.OPEN_MAX - 1, begins=30, ends=60)
    last, beyond = give(member, ends=1000), give(member, ends=2000)
    with boundary() as outside:
        seen = [coupon_id for coupon_id, _ in opened(member)]
    assert (outside.calls, seen) == (["Query"] * 5, [*early[: wallet_queries.OTHERS_MAX], last])
    assert does(wallet.lock, member, "t1", beyond, "o1", clock.now())  # whoever names it has it all the same
    other = f"{member}-2"
    give_many(other, 100, begins=-1, ends=60)
    with boundary() as outside:
        assert len(opened(other)) == 100
    assert outside.calls == ["Query"]
