"""Two distributors turn out to be one person: what they earned, whom they brought, their links and debts become one's.
At no moment do the books differ; what is done again changes nothing."""

from __future__ import annotations

import itertools
from typing import Any

import msgspec

from chalicelib.core import clock
from chalicelib.growth.distribution import queries as operator_queries
from chalicelib.growth.distribution.bindings.service import bind
from chalicelib.growth.distribution.commissions import queries as commission_queries
from chalicelib.growth.distribution.distributors import queries as distributor_queries
from chalicelib.growth.distribution.distributors import service as distributors
from chalicelib.growth.distribution.leaderboard import queries as leaderboards
from chalicelib.growth.distribution.links import queries as link_queries
from chalicelib.growth.distribution.links import service as links
from chalicelib.growth.distribution.rules import STANDARD, Tier
from chalicelib.growth.distribution.settings import DISTRIBUTION
from chalicelib.growth.distribution.tables import (
    CUSTOMER,
    DEBT,
    Commissions,
    Distributors,
    Links,
    debt_item,
)
from chalicelib.insight.reconciliation.ledger_checks.service import differences as book_differences
from chalicelib.ledger import rules as entries
from chalicelib.ledger import service as ledger
from chalicelib.platform.store import read
from chalicelib.platform.store.transaction import Transaction, save
from tests.support.growth_merges import (
    absorb,
    commissions_of,
    completed,
    growth_differences,
    has,
    has_parts,
    inviter,
    merge,
    person,
    record,
    same_again,
    seller,
    steps,
    tie,
)
from tests.support.merging import redirect, settle
from tests.support.small_mall import DAY, SmallMall


def test_two_distributors_become_one_with_all_they_earned_and_at_every_step_the_books_agree(mall: SmallMall) -> None:
    former, theirs = seller(mall, brings=2, bound_to=mall.above)
    member_id, ours = seller(mall, brings=2)
    completed(mall, theirs[0], ("pot", 2))
    completed(mall, ours[0], ("pot", 3))
    mall.withdraw(former, 500)
    kept = [mall.buy(theirs[1], ("pot", 1)), mall.buy(ours[1], ("cup", 1))]
    shared = mall.place(theirs[0], ("pot", 1))
    before = has(former, member_id)
    assert all(before[kind] for kind in (0, 1, 3))
    sold = [record(one).totals for one in (former, member_id)]
    assert growth_differences(mall) == []
    redirect(former, member_id)
    for name in steps(former, member_id):
        assert (name, growth_differences(mall)) == (name, [])
        assert has(former, member_id) == before
    assert has(former) == (0, 0, 0, 0)
    assert has(member_id) == before
    assert commissions_of(former) == []
    one = record(member_id)
    assert one.totals.sales_fen == sum(each.sales_fen for each in sold)
    assert (one.totals.orders, one.totals.customers) == (2, 2)
    assert (one.distributor.tier, has_parts(former, CUSTOMER), has_parts(member_id, CUSTOMER)) == ("gold", 0, 2)
    assert [inviter(customer) for customer in (*theirs, *ours)] == [member_id] * 4
    assert inviter(member_id) == mall.above
    same_again(mall, former, member_id)
    settle(member_id)
    # What was begun as either goes on: sent, given back, paid.
    mall.deliver(kept[0])
    mall.refund(kept[1])
    mall.pay(shared)
    assert has(former) == (0, 0, 0, 0)
    paid = commission_queries.records([{"order_id": {"S": shared.order_id}, "level": {"S": "1"}}])[0]
    assert paid is not None
    assert (paid.member_id, paid.earned_as, paid.own_customer) == (member_id, former, True)
    mall.wait(8 * DAY)
    same_again(mall, former, member_id)
    assert growth_differences(mall) == []
    assert book_differences([order.order_id for order in (*kept, shared)]) == []


def test_who_was_no_distributor_becomes_the_one_that_they_were_as_the_other(mall: SmallMall) -> None:
    former, customers = seller(mall, brings=1)
    member_id = person(mall)
    completed(mall, customers[0], ("pot", 3))
    before = record(former)
    assert before.distributor.tier == "gold"
    merge(former, member_id)
    after = record(member_id)
    assert (after.totals, after.distributor.tier) == (before.totals, "gold")
    assert after.distributor.active_since == before.distributor.active_since
    assert distributors.apply(member_id) == after.distributor
    assert operator_queries.detail(former).distributor_id == member_id
    assert [one.distributor_id for one in operator_queries.in_state("active", "since", 50, None)[0]].count(former) == 0
    mall.buy(customers[0], ("pot", 1))
    mall.wait(8 * DAY)
    assert record(former).distributor.rewarded == ["gold"]  # and no second reward
    assert growth_differences(mall) == []


def test_an_operator_who_stopped_one_has_stopped_both(mall: SmallMall) -> None:
    former, _ = seller(mall)
    member_id, _ = seller(mall)
    distributors.suspend(former)
    merge(former, member_id)
    assert record(member_id).distributor.state == "suspended"
    assert distributors.approve(former).member_id == member_id
    assert record(member_id).distributor.state == "active"


def test_one_who_bought_from_both_counts_once(mall: SmallMall) -> None:
    former, _ = seller(mall)
    member_id, _ = seller(mall)
    customer = person(mall)
    mall.clock.advance(1)
    for whose in (former, member_id):
        save(Distributors(whose, CUSTOMER + customer))
        tx = Transaction()
        tx.update(Distributors, (whose, "distributor"), [Distributors.customers.add(1)])
        tx.commit()
    merge(former, member_id)
    assert record(member_id).totals.customers == has_parts(member_id, CUSTOMER) == 1


def test_no_tier_is_reached_by_a_customer_who_counts_twice_for_a_moment(mall: SmallMall) -> None:
    held = DISTRIBUTION.fresh()
    crowd = Tier(tier_id="crowd", name="人气", customers=2, reward_fen=900)
    DISTRIBUTION.change(msgspec.structs.replace(held, tiers=[crowd]))
    try:
        (former, _), (member_id, _), customer = seller(mall), seller(mall), person(mall)
        for whose in (former, member_id):
            save(Distributors(whose, CUSTOMER + customer))
            tx = Transaction()
            tx.update(Distributors, (whose, "distributor"), [Distributors.customers.add(1)])
            tx.commit()
        redirect(former, member_id)
        for _ in steps(former, member_id):
            mall.wait(20)
        settle(member_id)
        mall.wait(20)
        assert record(member_id).totals.customers == 1
        assert (record(member_id).distributor.tier, has(member_id)[1]) == (STANDARD, 0)
    finally:
        DISTRIBUTION.change(held)


def test_links_and_both_invite_codes_lead_to_the_one(mall: SmallMall) -> None:
    former, _ = seller(mall)
    member_id, _ = seller(mall)
    code = record(former).distributor.invite_code
    made = [links.make(former, None, None, f"c{number}").token for number in range(25)]
    assert len(link_queries.links_of(former)) == 25
    redirect(former, member_id)
    assert bind(person(mall), made[0]).inviter == former  # type: ignore[union-attr]  # until they are one distributor
    absorb(former, member_id)
    for token in (*made, code):
        assert read.get(Links, token).link.member_id == member_id  # type: ignore[union-attr]
        assert bind(person(mall), token).inviter == member_id  # type: ignore[union-attr]
        assert bind(member_id, token) is None
    assert (link_queries.links_of(former), len(link_queries.links_of(member_id))) == ([], 25)
    assert commissions_of(former) == []
    assert growth_differences(mall) == []


def test_a_customer_of_this_moment_is_bound_by_the_later_run(mall: SmallMall) -> None:
    former, _ = seller(mall)
    member_id, _ = seller(mall)
    late = person(mall)
    bind(late, record(former).distributor.invite_code)
    merge(former, member_id)
    item = tie(late)
    save(Distributors(late, "binding", binding=_bound_to(item.binding, former), inviter=former, since=item.since,
                      version=int(item.version)))  # fmt: skip
    absorb(former, member_id)
    assert inviter(late) == member_id
    assert record(member_id).distributor.state == "active"
    assert growth_differences(mall) == []


def _bound_to(binding: Any, whom: str) -> Any:
    return msgspec.structs.replace(binding, inviter=whom)


def test_a_chain_that_names_both_pays_the_one_once(mall: SmallMall) -> None:
    member_id, _ = seller(mall)
    former, customers = seller(mall, brings=1, bound_to=member_id)
    order = mall.place(customers[0], ("pot", 1))
    assert mall.order(order).chain == [former, member_id]
    merge(former, member_id)
    mall.pay(order)
    assert len(commissions_of(member_id)) == 1
    assert has(member_id)[0] == 1000
    assert inviter(member_id) is None
    assert growth_differences(mall) == []


def test_what_was_owed_on_leaving_is_owed_by_who_works_as_a_distributor(mall: SmallMall) -> None:
    former, member_id = person(mall), person(mall)
    for whose, fen in ((former, 300), (member_id, 200)):
        tx = Transaction()
        ledger.post(tx, entries.written_off("gone", str(fen), clock.now(), -fen))
        tx.put(debt_item(whose, fen))
        tx.commit()
    merge(former, member_id)
    assert has(member_id)[1] == -300  # of two debts one stays to be charged
    distributors.apply(member_id)
    assert has(member_id)[1] == -500
    again, _ = seller(mall)
    merge(again, member_id)
    merge(member_id, (last := seller(mall)[0]))
    assert has(last)[1] == -500
    assert read.get(Distributors, member_id, DEBT).debt_fen == 0  # type: ignore[union-attr]
    assert growth_differences(mall) == []


def test_a_debt_goes_on_with_who_sells_nothing_yet(mall: SmallMall) -> None:
    former, member_id = person(mall), person(mall)
    tx = Transaction()
    ledger.post(tx, entries.written_off("gone", "1", clock.now(), -70))
    tx.put(debt_item(former, 70))
    tx.commit()
    merge(former, member_id)
    absorb(former, member_id)
    assert has(member_id) == (0, 0, 0, 0)
    distributors.apply(member_id)
    assert has(member_id)[1] == -70
    assert growth_differences(mall) == []


def test_the_best_of_a_month_have_what_both_sold(mall: SmallMall) -> None:
    held = DISTRIBUTION.fresh()
    DISTRIBUTION.change(msgspec.structs.replace(held, leaderboard=True))
    try:
        (former, theirs), (member_id, ours) = seller(mall, brings=1), seller(mall, brings=1)
        orders = [mall.buy(customer, ("pot", 1)) for customer in (*theirs, *ours)]
        redirect(former, member_id)
        for name in steps(former, member_id):
            assert (name, growth_differences(mall)) == (name, [])
        board = leaderboards.leaderboard(member_id, None)
        assert (board.mine.sales_fen, board.mine.rank, len(board.items)) == (20_000, 1, 1)
        mall.refund(orders[0])
        assert leaderboards.leaderboard(member_id, None).mine.sales_fen == 10_000
        assert growth_differences(mall) == []
    finally:
        DISTRIBUTION.change(held)


def test_three_in_a_row_end_with_the_last(mall: SmallMall) -> None:
    (first, theirs), (second, _), (third, _) = seller(mall, brings=1), seller(mall), seller(mall)
    order = mall.buy(theirs[0], ("pot", 1))
    late = mall.place(theirs[0], ("pot", 1))
    for former, member_id in itertools.pairwise((first, second, third)):
        merge(former, member_id)
    absorb(first, third)  # the day after
    mall.pay(late)
    mall.deliver(order)
    mall.wait(8 * DAY)
    assert has(first, second) == (0, 0, 0, 0)
    assert has(third)[:2] == (1000, 1000)
    assert distributor_queries.load(first).member_id == third
    keys = [(Commissions, (one.order_id, one.level)) for one in commissions_of(third)]
    assert [one.commission.earned_as for one in read.batch_get(keys)] == [first, first]
    assert growth_differences(mall) == []
