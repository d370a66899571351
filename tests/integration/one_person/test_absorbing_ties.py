"""Two members who are bound to distributors turn out to be one person: the earlier tie stays, nobody stands above
themselves, and each counts once."""

from __future__ import annotations

from collections import Counter

import pytest

from chalicelib.commerce.orders.rules import Order
from chalicelib.core import clock
from chalicelib.customers.members import service as members
from chalicelib.customers.members.rules import Source
from chalicelib.growth.distribution.bindings.service import bind
from chalicelib.growth.distribution.distributors import queries as distributor_queries
from chalicelib.growth.distribution.distributors import service as distributors
from chalicelib.growth.distribution.rules import DistributionRules
from chalicelib.growth.distribution.settings import DISTRIBUTION
from chalicelib.growth.distribution.tables import (
    MERGED,
    Distributors,
)
from chalicelib.growth.distribution.ties.service import absorb_tie
from chalicelib.platform.store import read
from tests.support.growth_merges import (
    absorb,
    completed,
    growth_differences,
    has,
    inviter,
    merge,
    move_order,
    person,
    record,
    same_again,
    seller,
    steps,
    tie,
)
from tests.support.merging import redirect, settle
from tests.support.small_mall import DAY, SmallMall


@pytest.mark.parametrize("first", ["former", "member"])
def test_the_earlier_tie_stays_and_the_other_ends(first: str, mall: SmallMall) -> None:
    (one, _), (other, _) = seller(mall), seller(mall)
    former, member_id = person(mall), person(mall)
    pairs = [(former, one), (member_id, other)]
    for who, whom in pairs if first == "former" else reversed(pairs):
        bind(who, record(whom).distributor.invite_code)
        mall.clock.advance(5)
        completed(mall, who, ("pot", 1))
    merge(former, member_id)
    assert inviter(member_id) == (one if first == "former" else other)
    assert (int(tie(member_id).orders), int(tie(member_id).paid_fen)) == (1, 10_000)
    assert tie(former) is None
    over = read.get(Distributors, former, MERGED)
    assert over is not None
    assert (over.binding.ended, over.binding.inviter) == ("merged", other if first == "former" else one)
    before = record(one).totals.customers
    completed(mall, member_id, ("pot", 1))
    assert record(one).totals.customers == before  # the person counts already
    absorb(former, member_id)
    assert growth_differences(mall) == []


def test_two_ties_to_one_distributor_count_together(mall: SmallMall) -> None:
    former, member_id = mall.customers[:2]
    for who in (former, member_id):
        completed(mall, who, ("pot", 1))
    on_its_way = mall.buy(former, ("pot", 1))
    merge(former, member_id)
    assert (int(tie(member_id).orders), int(tie(member_id).paid_fen)) == (3, 30_000)
    mall.refund(on_its_way)
    assert int(tie(member_id).paid_fen) == 20_000
    order = mall.place(member_id, ("pot", 1))
    move_order(order, member_id)
    mall.pay(order)
    assert int(tie(member_id).orders) == 4
    same_again(mall, former, member_id)
    assert growth_differences(mall) == []


def test_a_tie_between_the_two_ends_and_nobody_earns_of_themselves(mall: SmallMall) -> None:
    former, _ = seller(mall)
    member_id, _ = seller(mall, bound_to=former)
    frozen = mall.place(member_id, ("pot", 1))
    redirect(former, member_id)
    meanwhile = mall.place(member_id, ("pot", 1))
    assert mall.order(meanwhile).chain == []
    absorb(former, member_id)
    settle(member_id)
    assert inviter(member_id) is None
    assert tie(member_id).binding.ended == "merged"
    mall.pay(frozen)  # stays as it was placed
    assert has(member_id)[0] == 1000
    assert mall.place(member_id, ("pot", 1)).chain == []
    assert growth_differences(mall) == []


def test_no_ring_comes_of_it_however_long_the_way(mall: SmallMall) -> None:
    former, _ = seller(mall)
    middle, _ = seller(mall, bound_to=former)
    member_id, _ = seller(mall, bound_to=middle)
    merge(former, member_id)
    assert (inviter(middle), inviter(member_id)) == (None, middle)  # whoever would be above themselves
    far, _ = seller(mall, bound_to=mall.seller)
    merge(far, mall.above)
    assert (inviter(mall.above), inviter(mall.seller)) == (None, mall.above)
    assert growth_differences(mall) == []


def test_who_is_bound_while_ties_move_closes_no_ring_either(mall: SmallMall) -> None:
    former, _ = seller(mall)
    middle, _ = seller(mall, bound_to=former)
    member_id = person(mall)
    redirect(former, member_id)
    absorb_tie(former, member_id, None)
    assert bind(member_id, record(middle).distributor.invite_code) is not None
    absorb(former, member_id)
    assert (inviter(member_id), inviter(middle)) == (middle, None)
    assert growth_differences(mall) == []


def test_many_customers_are_bound_anew_in_steps(mall: SmallMall) -> None:
    former, theirs = seller(mall, brings=47)
    distributors.apply(theirs[0])
    distributors.approve(theirs[0])
    member_id, _ = seller(mall, bound_to=theirs[0])
    done = Counter(steps(former, member_id)) if redirect(former, member_id) is None else Counter()
    assert done["distributor"] > 6
    assert Counter(inviter(one) for one in theirs) == {member_id: 46, None: 1}
    assert (inviter(theirs[0]), inviter(member_id)) == (None, theirs[0])  # who would stand above themselves
    views, _ = distributor_queries.customers(member_id, 1, 100, None)
    assert len(views) == 46


def test_a_visit_of_the_former_member_binds_the_one(mall: SmallMall) -> None:
    former, member_id = person(mall), person(mall)
    merge(former, member_id)
    code = record(mall.seller).distributor.invite_code
    made = bind(former, code)
    assert made is not None
    assert (made.member_id, tie(former)) == (member_id, None)


def test_an_unpaid_order_by_which_they_were_bound_lets_go_of_the_one(mall: SmallMall) -> None:
    held = DISTRIBUTION.fresh()
    DISTRIBUTION.change(DistributionRules(enabled=True, bind_on="first_order"))
    try:
        former, member_id = person(mall), person(mall)
        members.seen(former, Source(inviter=record(mall.seller).distributor.invite_code, at=clock.now()))
        order = mall.place(former, ("pot", 1))
        assert inviter(former) == mall.seller
        merge(former, member_id)
        assert inviter(member_id) == mall.seller
        mall.cancel(order)
        assert inviter(member_id) is None
    finally:
        DISTRIBUTION.change(held)
    assert growth_differences(mall) == []


def invited_order(mall: SmallMall, member_id: str, distributor: str) -> Order:
    """An order by which its member is bound to who has invited them."""
    code = record(distributor).distributor.invite_code
    members.seen(member_id, Source(inviter=code, at=clock.now()))
    return mall.place(member_id, ("pot", 1))


def test_a_tie_ends_with_its_order_that_is_moved_before_it(mall: SmallMall) -> None:
    (one, _), former, member_id = seller(mall), person(mall), person(mall)
    order = invited_order(mall, former, one)
    assert inviter(former) == one
    redirect(former, member_id)
    move_order(order, member_id)
    mall.cancel(mall.order(order))
    assert inviter(former) is None
    absorb(former, member_id)
    assert inviter(member_id) is None
    assert growth_differences(mall) == []


def test_a_tie_stays_by_another_order_whose_distributor_turned_out_to_be_a_second(mall: SmallMall) -> None:
    (one, _), (other, _), customer = seller(mall), seller(mall), person(mall)
    first, second = invited_order(mall, customer, one), mall.place(customer, ("cup", 1))
    assert first.chain == second.chain == [one]
    merge(one, other)
    mall.cancel(first)
    assert inviter(customer) == other
    mall.cancel(second)
    assert inviter(customer) is None
    assert growth_differences(mall) == []


def test_an_order_that_is_moved_before_its_tie_counts_for_who_brought_its_member(mall: SmallMall) -> None:
    (one, customers), member_id = seller(mall, brings=1), person(mall)
    [former] = customers
    order = mall.place(former, ("pot", 1))
    redirect(former, member_id)
    move_order(order, member_id)
    mall.pay(mall.order(order))
    assert growth_differences(mall) == []
    absorb(former, member_id)
    settle(member_id)
    mall.deliver(mall.order(order))
    mall.wait(8 * DAY)
    totals = record(one).totals
    assert (totals.orders, totals.customers, tie(member_id).orders) == (1, 1, 1)
    assert growth_differences(mall) == []
