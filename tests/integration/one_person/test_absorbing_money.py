"""What two members have and have withdrawn becomes one's who turned out to be both: nothing is lost, and no limit
counts half of it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from chalicelib.core import clock, ids
from chalicelib.core.errors import MallError
from chalicelib.customers.members import service as members
from chalicelib.growth.distribution import queries as operator_queries
from chalicelib.growth.distribution.commissions import queries as commission_queries
from chalicelib.growth.distribution.personal_data import DATA_OWNERS
from chalicelib.growth.payouts import queries as payout_queries
from chalicelib.growth.payouts import service as payouts
from chalicelib.growth.payouts.rules import WithdrawalRules, quarter_of
from chalicelib.growth.payouts.settings import WITHDRAWALS
from chalicelib.growth.payouts.tables import Withdrawals, allowance_key
from chalicelib.ledger import queries as ledger_queries
from chalicelib.ledger import rules as entries
from chalicelib.ledger import service as ledger
from chalicelib.ledger.checks import audit_balances
from chalicelib.platform.jobs.job import RetryLater
from chalicelib.platform.store import read
from chalicelib.platform.store.transaction import Transaction
from tests.support.growth_merges import OWNERS, absorb, earn, growth_differences, has, merge, person, same_again, seller
from tests.support.merging import redirect, settle
from tests.support.small_mall import DAY, SmallMall


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
    earn(former, 1000)
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
        earn(whose, 300_000)
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
    earn(member_id, 1000)
    merge(former, member_id)
    for number, subject in enumerate((former, member_id)):
        made = payouts.request(member_id, f"k{number}", 300, subject)
        assert (made.openid, made.member_id) == (openids[subject], member_id)
    assert growth_differences(mall) == []


def test_a_withdrawal_and_a_merge_at_once_pay_once(mall: SmallMall) -> None:
    WITHDRAWALS.change(WithdrawalRules(per_day=9, review_from_fen=100))
    for number in range(6):
        (former, _), (member_id, _) = seller(mall), seller(mall)
        earn(former, 1000)
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


def _tax_rows() -> list[Any]:
    return payout_queries.tax_rows(quarter_of(clock.now()), None)[0]
