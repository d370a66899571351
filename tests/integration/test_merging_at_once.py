"""Two become one while something else is done at once, in threads against the engine: an order, a withdrawal, a
deletion, the same merge again, another merge of one of them, a login that tells a unionid. Whoever is quicker, what is
done is done once, and is whose they are then."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from chalicelib.commerce.orders import queries as order_queries
from chalicelib.commerce.orders.inputs import LineInput, OrderInput, QuoteInput
from chalicelib.commerce.orders.placement import service as placement
from chalicelib.commerce.orders.rules import Order
from chalicelib.core import ids
from chalicelib.core.errors import MallError
from chalicelib.customers.members.merging import service as merging
from chalicelib.customers.members.merging.rules import Merge
from chalicelib.customers.members.privacy import service as privacy
from chalicelib.customers.members.queries import current, profile, resolved
from chalicelib.customers.members.sessions.queries import CACHE
from chalicelib.growth.distribution.distributors import service as distributors
from chalicelib.growth.payouts import service as payouts
from chalicelib.growth.payouts.queries import withdrawals_of_member
from chalicelib.ledger import queries as ledger
from chalicelib.platform.store import cache
from tests.support import merge_world
from tests.support.growth_merges import earn, growth_differences
from tests.support.segment_mall import DAY, SegmentMall, opened
from tests.support.sweep import dead_jobs

ROUNDS = 3
#: Who calls in the very moment logs in again, or is asked again.
_BUSY = ("conflict", "unavailable", "unauthenticated")


@pytest.fixture(scope="module")
def unionids() -> dict[str, str]:
    return {}


@pytest.fixture(scope="module")
def mall(dynamodb: str, unionids: dict[str, str]) -> Iterator[SegmentMall]:
    with opened("merging-at-once") as mall, merge_world.told_by_wechat(unionids):
        yield mall


@pytest.fixture(autouse=True)
def opened_anew(mall: SegmentMall) -> None:
    mall.mall.reopen()


def people(mall: SegmentMall, count: int) -> list[str]:
    """Members who log in each with an account of their own, those who joined first at the top."""
    found = []
    for _ in range(count):
        found.append(mall.with_address(merge_world.log_in(ids.new("o"))))
        mall.mall.clock.advance(1)
    return found


def at_once(*acts: Callable[[], Any]) -> list[Any]:
    """What each gives, or the code that it is refused with; all begin together."""
    barrier = threading.Barrier(len(acts))

    def run(act: Callable[[], Any]) -> Any:
        barrier.wait()
        try:
            return act()
        except MallError as fault:
            return fault.code

    with ThreadPoolExecutor(len(acts)) as pool:
        found = list(pool.map(run, acts))
    cache.forget(CACHE)
    return found


def moved(mall: SegmentMall) -> None:
    """All that is owed is done, until a day later, and the books agree."""
    mall.mall.wait(61)
    mall.mall.wait(DAY + 1)
    assert mall.mall.told() == []
    assert dead_jobs() == []


def unite(one: str, other: str) -> Callable[[], Merge]:
    return functools.partial(merging.unite, one, other, "code")


@pytest.mark.parametrize("round_", range(ROUNDS))
def test_an_order_is_placed_once_and_is_theirs(mall: SegmentMall, round_: int) -> None:
    one, other = people(mall, 2)
    lines = [LineInput(mall.mall.skus["cup"], 1)]

    def body(member_id: str) -> OrderInput:
        given: dict[str, Any] = {"lines": lines, "address_id": mall.mall.addresses[member_id]}
        price = placement.quote(member_id, QuoteInput(**given))
        return OrderInput(**given, expected_payable_fen=price.payable_fen)

    asked = {login: body(login) for login in (one, other)}
    acts = [functools.partial(placement.place, login, "k", asked[login], None, login) for login in (one, other, other)]
    _, *placed = at_once(unite(one, other), *acts)
    assert all(isinstance(each, Order) or each in (*_BUSY, "not_found") for each in placed)
    stays = resolved(other)
    for login in (one, other):  # who was refused logs in again and tries again
        order_id = ids.derived("o", login, "k")
        if order_queries.orders_of([order_id]):
            again = placement.place(stays, "k", asked[login], None, login)
            assert again.order_id == order_id
    moved(mall)
    found = order_queries.orders_of([ids.derived("o", login, "k") for login in (one, other)])
    assert {order.member_id for order in found} <= {stays}
    assert len(found) == len({each.order_id for each in placed if isinstance(each, Order)})


@pytest.mark.parametrize("round_", range(ROUNDS))
def test_a_withdrawal_takes_out_once_what_they_have(mall: SegmentMall, round_: int) -> None:
    one, other = people(mall, 2)
    for member_id in (one, other):
        distributors.apply(member_id)
        distributors.approve(member_id)
        earn(member_id, 1_000)
    takes = [functools.partial(payouts.request, login, "k", 700, login) for login in (one, other, other)]
    at_once(unite(one, other), *takes)
    stays = resolved(other)
    mall.mall.wait(61)
    mall.mall.wait(DAY + 1)
    assert growth_differences(mall.mall) == []
    has = ledger.balance(stays)
    taken, _ = withdrawals_of_member(stays, 10, None)
    assert has.withdrawn == sum(each.amount_fen for each in taken if each.state == "succeeded")
    assert has.available + has.withdrawn + has.withdrawing == 2_000
    assert len(taken) <= 2
    former = next(each for each in (one, other) if each != stays)
    assert ledger.balance(former) == ledger.balance("nobody")
    assert dead_jobs() == []


@pytest.mark.parametrize("round_", range(ROUNDS))
def test_who_leaves_is_not_merged_and_who_is_merged_has_not_left(mall: SegmentMall, round_: int) -> None:
    one, other = people(mall, 2)
    leaves = (one, other)[round_ % 2]
    merge, left = at_once(unite(one, other), functools.partial(privacy.erase, leaves, True))
    if left is None:
        assert merge == "merge_conflict"
        assert current(leaves) is None
        assert resolved(leaves) == leaves
    else:
        assert left in ("unauthenticated", "account_open", "conflict")
        assert isinstance(merge, Merge)
        assert current(merge.survivor) is not None
    moved(mall)


@pytest.mark.parametrize("round_", range(ROUNDS))
def test_the_same_two_become_one_once(mall: SegmentMall, round_: int) -> None:
    one, other = people(mall, 2)
    found = at_once(unite(one, other), unite(other, one), unite(one, other))
    assert sorted(each if isinstance(each, str) else "merged" for each in found) == [
        "already_merged", "already_merged", "merged",
    ]  # fmt: skip
    stays = resolved(other)
    assert len(profile(stays).absorbed) == 1
    moved(mall)


@pytest.mark.parametrize("round_", range(ROUNDS))
def test_of_three_who_become_one_two_by_two_one_is_left(mall: SegmentMall, round_: int) -> None:
    first, second, third = people(mall, 3)
    for member_id in (first, second, third):
        mall.mall.buy(member_id, ("cup", 1))
    found = at_once(unite(second, third), unite(first, second))
    assert all(isinstance(each, Merge) for each in found), found
    moved(mall)
    assert {resolved(each) for each in (first, second, third)} == {first}
    assert [one.settled for one in profile(first).absorbed] == [True, True]
    assert merge_world.sums(first)["orders"] == 3


@pytest.mark.parametrize("round_", range(ROUNDS))
def test_a_login_that_tells_a_unionid_and_a_code_make_all_three_one(
    mall: SegmentMall, round_: int, unionids: dict[str, str]
) -> None:
    openid, follows, unionid = ids.new("o"), ids.new("f"), ids.new("u")
    unionids[follows] = unionid
    follower = merge_world.follow(mall, follows)
    mall.mall.coupon(follower)
    other = people(mall, 1)[0]
    one = mall.with_address(merge_world.log_in(openid))
    unionids[openid] = unionid
    log_in = functools.partial(merge_world.log_in, openid)
    _, *logins = at_once(unite(one, other), log_in, log_in)
    assert set(logins) <= {one, other, follower, *_BUSY}
    stays = merge_world.log_in(openid)
    moved(mall)
    assert {resolved(each) for each in (one, other, follower)} == {stays}
    assert stays in (one, other)  # who joined earlier, which `one` did if they became one with the follower first
    assert merge_world.sums(stays)["coupons unused"] == 1
    assert sorted(each.kind for each in profile(stays).identities) == ["mini", "oa", "union"]
