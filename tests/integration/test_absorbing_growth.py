"""Two members turn out to be one person: what they earned, whom they are bound to, whom they brought, what they
withdrew and bought in groups becomes one's. At no moment do the books differ; what is done again changes nothing."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import msgspec
import pytest

from chalicelib.core import clock, ids
from chalicelib.core.errors import MallError
from chalicelib.customers.members import service as members
from chalicelib.customers.members.rules import Address, Source
from chalicelib.growth.distribution import queries as operator_queries
from chalicelib.growth.distribution.bindings.service import bind
from chalicelib.growth.distribution.commissions import queries as commission_queries
from chalicelib.growth.distribution.distributors import queries as distributor_queries
from chalicelib.growth.distribution.distributors import service as distributors
from chalicelib.growth.distribution.leaderboard import queries as leaderboards
from chalicelib.growth.distribution.links import queries as link_queries
from chalicelib.growth.distribution.links import service as links
from chalicelib.growth.distribution.personal_data import DATA_OWNERS
from chalicelib.growth.distribution.rules import DistributionRules
from chalicelib.growth.distribution.settings import DISTRIBUTION
from chalicelib.growth.distribution.tables import (
    CUSTOMER,
    DEBT,
    MERGED,
    Commissions,
    Distributors,
    Links,
    debt_item,
)
from chalicelib.growth.distribution.ties.service import absorb_tie
from chalicelib.growth.groupbuy.lobbies import queries as lobbies
from chalicelib.growth.groupbuy.rules import Lottery
from chalicelib.growth.groupbuy.tables import GroupActivities, bought_key
from chalicelib.growth.payouts import queries as payout_queries
from chalicelib.growth.payouts import service as payouts
from chalicelib.growth.payouts.rules import WithdrawalRules, quarter_of
from chalicelib.growth.payouts.settings import WITHDRAWALS
from chalicelib.growth.payouts.tables import Withdrawals, allowance_key
from chalicelib.insight.reconciliation.ledger_checks.service import differences as book_differences
from chalicelib.ledger import queries as ledger_queries
from chalicelib.ledger import rules as entries
from chalicelib.ledger import service as ledger
from chalicelib.ledger.checks import audit_balances
from chalicelib.platform.jobs.job import RetryLater
from chalicelib.platform.store import read
from chalicelib.platform.store.transaction import Transaction, save
from local.client import SHANGHAI
from tests.support.distribution import bare_member
from tests.support.growth_merges import (
    OWNERS,
    absorb,
    growth_differences,
    has,
    inviter,
    merge,
    move_order,
    record,
    redirect,
    settle,
    steps,
    tie,
)
from tests.support.small_mall import DAY, SmallMall, opened


@pytest.fixture(scope="module")
def open_mall(dynamodb: str) -> Iterator[SmallMall]:
    with opened("absorbing-growth") as mall:
        yield mall


@pytest.fixture
def mall(open_mall: SmallMall) -> SmallMall:
    open_mall.reopen()
    return open_mall


def person(mall: SmallMall) -> str:
    """Somebody new, who can order."""
    member_id = bare_member()
    mall.addresses[member_id] = members.add_address(member_id, Address(address_id=ids.new("a"), **SHANGHAI)).address_id
    return member_id


def seller(mall: SmallMall, *, brings: int = 0, bound_to: str = "") -> tuple[str, list[str]]:
    """Somebody new who sells, and whom they have brought."""
    member_id = person(mall)
    if bound_to:
        assert bind(member_id, record(bound_to).distributor.invite_code) is not None
    code = distributors.apply(member_id).invite_code
    distributors.approve(member_id)
    customers = [person(mall) for _ in range(brings)]
    for customer in customers:
        assert bind(customer, code) is not None
    return member_id, customers


def completed(mall: SmallMall, customer: str, *lines: tuple[str, int]) -> Any:
    """They bought, received and kept it."""
    order = mall.deliver(mall.buy(customer, *lines))
    mall.wait(8 * DAY)
    return order


def same_again(mall: SmallMall, former: str, member_id: str) -> None:
    """All steps once more change nothing."""
    before = mall.books()
    absorb(former, member_id)
    after = mall.books()
    for part in ("entries", "accounts", "distribution", "withdrawals", "allowances", "seats", "drawings"):
        assert getattr(before, part) == getattr(after, part), part


def has_parts(member_id: str, kind: str) -> int:
    where = Distributors.part.startswith(kind)
    return sum(1 for _ in read.query_all(Distributors, member_id, where=where, consistent=True))


def commissions_of(member_id: str) -> list[Any]:
    return list(read.query_all(Commissions, member_id, index=Commissions.by_member))


# Two distributors


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


# Ties


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


# Money


def test_what_comes_to_the_former_account_later_is_moved_by_an_entry_of_its_own(mall: SmallMall) -> None:
    former, member_id = person(mall), person(mall)
    for fen in (500, -200, 40):
        tx = Transaction()
        ledger.post(tx, entries.reversed_to(ids.new("o"), 1, former, clock.now(), -fen, 0, "available"))
        tx.commit()
        for _ in range(2):
            assert ledger.absorb(former, member_id)
    assert (has(former), has(member_id)) == ((0, 0, 0, 0), (0, 340, 0, 0))
    found = ledger_queries.transfers_from(former)
    assert sorted(entry.cause for entry in found) == [f"merge:{former}", f"merge:{former}:2", f"merge:{former}:3"]
    shown = [one.cause for one in ledger_queries.page_of_member(member_id, 10, None)[0]]
    assert sorted(shown) == sorted(entry.cause for entry in found)
    for whose in (former, member_id):
        kept = {whose: ledger_queries.balance(whose)}
        months = {whose: ledger_queries.months(whose, clock.day(clock.now()))}
        assert audit_balances(ledger_queries.all_of_member(whose), kept, months, only=[whose]) == []


def test_the_one_sees_what_came_from_the_former_account(mall: SmallMall) -> None:
    former, customers = seller(mall, brings=1)
    member_id, _ = seller(mall)
    mall.buy(customers[0], ("pot", 1))
    merge(former, member_id)
    [line] = commission_queries.account(member_id, "zh", 10, None)[0]
    assert (line.what, line.pending_fen, line.text) == ("account_merged", 1000, "账户合并转入")
    month = entries.month(clock.now())
    statement = commission_queries.statement(member_id, month)
    assert (statement.transferred_fen, statement.earned_fen, statement.closing_fen) == (1000, 0, 1000)
    assert operator_queries.audit(member_id).differences == operator_queries.audit(former).differences == []
    [explained] = operator_queries.explain(former, 10, None)[0]
    assert explained.what == "account_merged"
    assert len(operator_queries.commissions(None, former, None, 10, None)[0]) == 1
    pages = next(owner.pages for owner in DATA_OWNERS if owner.name == "account")
    first, position = pages(member_id, None)
    rest, last = pages(member_id, position)
    assert ([one.cause for one in first], last) == ([f"merge:{former}"], None)
    assert [one.cause for one in rest] == ["commission:1"]


def test_money_on_its_way_ends_where_it_left_and_is_moved_then(mall: SmallMall, monkeypatch: Any) -> None:
    WITHDRAWALS.change(WithdrawalRules(per_day=3, review_from_fen=100))
    (former, _), (member_id, _) = seller(mall), seller(mall)
    _earn(former, 1000)
    made = payouts.request(former, "k", 600)
    assert made.state == "reviewing"
    redirect(former, member_id)
    account = next(owner for owner in OWNERS if owner.name == "account")
    for owner in OWNERS:
        if owner is not account:
            _all_steps(owner, former, member_id)
    with pytest.raises(RetryLater):
        account.absorb(former, member_id, None)
    assert (has(former), has(member_id)) == ((0, 0, 600, 0), (0, 400, 0, 0))
    assert growth_differences(mall) == []
    # It is the one's to see, whoever asks; and a retry by the old token finds it.
    assert payout_queries.owned(made.withdrawal_id, member_id).member_id == member_id
    assert payouts.request(member_id, "k", 600, former).withdrawal_id == made.withdrawal_id
    assert [one.withdrawal_id for one in payout_queries.withdrawals_of_member(member_id, 9, None)[0]] == [
        made.withdrawal_id
    ]
    payouts.reject(made.withdrawal_id, "否", "op")
    assert growth_differences(mall) == []
    absorb(former, member_id)
    assert (has(former), has(member_id)) == ((0, 0, 0, 0), (0, 1000, 0, 0))
    same_again(mall, former, member_id)
    assert growth_differences(mall) == []


def test_limits_count_what_either_has_withdrawn_today_and_the_month_is_one(mall: SmallMall) -> None:
    WITHDRAWALS.change(WithdrawalRules(per_day=3, per_day_fen=500_000, review_from_fen=None, tax="labour"))
    (former, _), (member_id, _) = seller(mall), seller(mall)
    for whose in (former, member_id):
        _earn(whose, 300_000)
        mall.withdraw(whose, 100_000)
    redirect(former, member_id)
    next(owner for owner in OWNERS if owner.name == "account").absorb(former, member_id, None)
    with pytest.raises(MallError, match="withdrawal_limit"):  # before what was withdrawn is moved, too
        [payouts.request(member_id, f"k{number}", 10_000) for number in range(2)]
    absorb(former, member_id)
    settle(member_id)
    assert read.get(Withdrawals, *allowance_key(former)[1]) is None
    stored = payout_queries.find_allowance(member_id)
    assert stored is not None
    assert (stored.value.count, stored.value.month_fen) == (3, 210_000)
    with pytest.raises(MallError, match="withdrawal_limit"):
        payouts.request(member_id, "k9", 10_000)
    mall.wait(DAY)
    mall.withdraw(member_id, 150_000)
    same_again(mall, former, member_id)
    assert growth_differences(mall) == []
    assert sum(row.withdrawals for row in _tax_rows() if row.member_id == member_id) == 4
    assert former not in [row.member_id for row in _tax_rows()]


def test_a_transfer_goes_to_the_login_of_the_session(mall: SmallMall) -> None:
    WITHDRAWALS.change(WithdrawalRules(per_day=9, review_from_fen=100))
    (former, _), (member_id, _) = seller(mall), seller(mall)
    openids = {whose: members.profile(whose).openid for whose in (former, member_id)}
    _earn(member_id, 1000)
    merge(former, member_id)
    for number, subject in enumerate((former, member_id)):
        made = payouts.request(member_id, f"k{number}", 300, subject)
        assert (made.openid, made.member_id) == (openids[subject], member_id)
    assert growth_differences(mall) == []


def test_a_withdrawal_and_a_merge_at_once_pay_once(mall: SmallMall) -> None:
    WITHDRAWALS.change(WithdrawalRules(per_day=9, review_from_fen=100))
    for number in range(6):
        (former, _), (member_id, _) = seller(mall), seller(mall)
        _earn(former, 1000)
        redirect(former, member_id)
        with ThreadPoolExecutor(3) as pool:
            asked = [
                pool.submit(_try, payouts.request, whose, f"k{number}", 800, former) for whose in (former, member_id)
            ]
            moved = pool.submit(_try, absorb, former, member_id)
            made = [one.result() for one in asked]
            moved.result()
        absorb(former, member_id)
        assert len({one.withdrawal_id for one in made if one is not None}) <= 1
        pending, available, withdrawing, withdrawn = has(former, member_id)
        assert (pending, available + withdrawing, withdrawn) == (0, 1000, 0)
        assert withdrawing in (0, 800)
        assert growth_differences(mall) == []


def _try(work: Any, *given: Any) -> Any:
    try:
        return work(*given)
    except MallError as fault:
        assert fault.code in ("not_found", "conflict", "balance_short", "unavailable", "withdrawal_limit")
        return None


def _all_steps(owner: Any, former: str, member_id: str) -> None:
    position: str | None = None
    while (position := owner.absorb(former, member_id, position)) is not None:
        pass


def _earn(member_id: str, fen: int) -> None:
    order_id = ids.new("o")
    for entry in (
        entries.earned(order_id, 1, member_id, clock.now(), fen),
        entries.released(order_id, 1, member_id, clock.now(), fen),
    ):
        tx = Transaction()
        ledger.post(tx, entry)
        tx.commit()


def _tax_rows() -> list[Any]:
    return payout_queries.tax_rows(quarter_of(clock.now()), None)[0]


# Group-buys


@pytest.mark.parametrize("moved", [False, True], ids=["orders as they were", "orders moved"])
def test_both_sit_in_one_lobby_and_both_stay(moved: bool, mall: SmallMall) -> None:
    former, member_id = mall.customers[:2]
    activity = mall.activity("fixed", {3: 6_000}, limit_per_member=3)
    orders = mall.lobby(activity, former, member_id)
    merge(former, member_id)
    for order in orders if moved else ():
        move_order(order, member_id)
    lobby_id = orders[0].group.lobby_id  # type: ignore[union-attr]
    view = lobbies.lobby_view(lobby_id, member_id)
    assert (len(view.members), view.taken) == (2, 2)
    assert view.mine is not None
    assert view.mine.order_id == orders[1].order_id
    assert _bought(activity, former) is None
    assert _bought(activity, member_id) == 2
    mall.buy(mall.customers[2], ("group", 1), group=mall.joins(orders[0]))
    assert {mall.order(order).state for order in orders} == {"awaiting_shipment"}
    assert growth_differences(mall) == []


def test_a_seat_of_the_former_member_is_the_ones_to_see_to_leave_and_to_pay(mall: SmallMall) -> None:
    former, member_id, other = mall.customers[:3]
    activity = mall.activity("fixed", {3: 6_000}, limit_per_member=2)
    first = mall.buy(other, ("group", 1), group=mall.opens(activity))
    seat = mall.buy(former, ("group", 1), group=mall.joins(first))
    unpaid = mall.place(former, ("group", 1), group=mall.opens(activity))
    redirect(former, member_id)
    lobby_id = seat.group.lobby_id  # type: ignore[union-attr]
    assert lobbies.lobby_view(lobby_id, member_id).mine.order_id == seat.order_id  # type: ignore[union-attr]
    with pytest.raises(MallError, match="already_in_lobby"):
        mall.place(member_id, ("group", 1), group=mall.joins(first))
    for order in (seat, unpaid):
        move_order(order, member_id)
    mall.refund(seat)  # counted for the former one until now
    assert (lobbies.load(lobby_id).taken, _bought(activity, former)) == (1, 1)
    absorb(former, member_id)
    settle(member_id)
    with pytest.raises(MallError, match="purchase_limit"):
        mall.place(member_id, ("group", 2), group=mall.opens(activity))
    mall.pay(mall.order(unpaid))
    assert (_bought(activity, member_id), _bought(activity, former)) == (1, None)
    mall.wait(DAY)
    assert mall.order(unpaid).state == "closed"
    assert _bought(activity, member_id) == 0
    assert growth_differences(mall) == []


@pytest.mark.parametrize("moved", [False, True], ids=["orders as they were", "orders moved"])
def test_a_draw_goes_by_orders_and_what_is_won_or_lost_is_the_ones(moved: bool, mall: SmallMall) -> None:
    former, member_id = mall.customers[:2]
    lottery = Lottery(winners=1, per="lobby")
    activity = mall.activity("lottery", {2: 6_000}, lottery=lottery)
    first = mall.buy(former, ("group", 1), group=mall.opens(activity))
    merge(former, member_id)
    if moved:
        move_order(first, member_id)
    # Somebody who is not them takes the last seat.
    second = mall.buy(mall.customers[2], ("group", 1), group=mall.joins(first))
    states = [mall.order(order).group.state for order in (first, second)]  # type: ignore[union-attr]
    assert sorted(states) == ["lost", "won"]
    assert mall.right_winners([first, second])
    assert growth_differences(mall) == []


def test_the_former_leader_is_shown_as_who_they_are_and_joins_no_lobby_of_their_own(mall: SmallMall) -> None:
    former, member_id = mall.customers[:2]
    activity = mall.activity("fixed", {3: 6_000})
    first = mall.buy(former, ("group", 1), group=mall.opens(activity))
    members.change_profile(member_id, lambda one, _: _named(one))
    merge(former, member_id)
    view = lobbies.lobby_view(first.group.lobby_id, mall.customers[2])  # type: ignore[union-attr]
    assert [one.nickname for one in view.members] == ["林**"]
    assert view.mine is None
    with pytest.raises(MallError, match=r"already_in_lobby|not_for_you"):
        mall.place(member_id, ("group", 1), group=mall.joins(first))


def _named(profile: Any) -> Any:
    return msgspec.structs.replace(profile, nickname="林小茶", shown_nickname="林小茶")


def _bought(activity: Any, member_id: str) -> int | None:
    item = read.get(GroupActivities, *bought_key(activity.activity_id, member_id)[1])
    return None if item is None else int(item.bought)


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
