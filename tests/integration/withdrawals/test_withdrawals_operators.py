"""What operators do and see of withdrawals: review, lists, the tax that is withheld and its report."""

from __future__ import annotations

import csv
import io
from typing import Any

import pytest

from local.client import Operator, Sandbox, Shopper
from local.clock import LocalClock
from tests.support.withdrawals import (
    DAY,
    PATH,
    at_wechat,
    balance,
    bill,
    differences,
    earner,
    end,
    ids,
    mine,
    paged,
    queue,
    run_jobs,
    set_rules,
    transfer_callback,
    withdraw,
)

#: The tax report is of all that was withdrawn in a quarter.
pytestmark = pytest.mark.usefixtures("own_tables")

# --- review ----------------------------------------------------------------------------------------


def test_from_the_threshold_on_it_is_sent_only_once_an_operator_approves(
    shopper: Shopper, operator: Operator, wechat: Sandbox
) -> None:
    assert withdraw(shopper, 49_999)["state"] == "processing"
    number = withdraw(shopper, 50_000, "k")["withdrawal_id"]
    assert mine(shopper, number)["state"] == "reviewing"
    run_jobs()
    assert bill(wechat, number) is None
    assert balance(shopper) == (1, 99_999, 0)
    (seen,) = queue(operator, shopper, "reviewing")
    assert (seen["withdrawal_id"], seen["member_id"]) == (number, shopper.member_id)
    for _ in range(2):
        assert operator.post(f"/v1/admin/withdrawals/{number}/approve").ok()["state"] == "processing"
    run_jobs()
    assert mine(shopper, number)["state"] == "awaiting_confirmation"
    assert withdraw(shopper, 50_000, "k")["state"] == "reviewing"  # what was answered then
    operator.post(f"/v1/admin/withdrawals/{number}/reject", {"reason": "zu spät"}).refused(409, "withdrawal_state")


def test_rejected_it_is_in_the_balance_again_with_the_reason(shopper: Shopper, operator: Operator) -> None:
    number = withdraw(shopper, 50_000)["withdrawal_id"]
    for _ in range(2):
        operator.post(f"/v1/admin/withdrawals/{number}/reject", {"reason": "请先完成实名"}).ok()
    over = mine(shopper, number)
    assert (over["state"], over["reason"]) == ("failed", "请先完成实名")
    assert balance(shopper) == (100_000, 0, 0)
    operator.post(f"/v1/admin/withdrawals/{number}/approve").refused(409, "withdrawal_state")
    entries = operator.get(f"/v1/admin/withdrawals/{number}/ledger").ok()["entries"]
    assert [entry["cause"] for entry in entries] == ["begun", "failed"]
    assert queue(operator, shopper, "reviewing") == []


# --- lists -----------------------------------------------------------------------------------------


def test_lists_are_paged_newest_first_for_members_and_oldest_first_in_queues(
    shopper: Shopper, operator: Operator, mall_clock: LocalClock
) -> None:
    set_rules(operator, review_from_fen=0)
    made = []
    for fen in (100, 200, 300):
        made.append(withdraw(shopper, fen)["withdrawal_id"])
        mall_clock.advance(1)
    admin = f"/v1/admin/withdrawals?member_id={shopper.member_id}"
    assert ids(paged(shopper, PATH + "?limit=2")) == made[::-1]
    assert ids(paged(operator, admin + "&limit=2")) == made[::-1]
    for query in ("?limit=2", "?queue=reviewing&limit=1"):
        everybodys = paged(operator, "/v1/admin/withdrawals" + query)
        assert ids(one for one in everybodys if one["member_id"] == shopper.member_id) == made
    operator.get(admin + "&queue=reviewing").refused(422, "invalid")
    operator.get("/v1/admin/withdrawals?cursor=x").refused(400, "cursor_invalid")


# --- tax -------------------------------------------------------------------------------------------


def paid(shopper: Shopper, wechat: Sandbox, fen: int) -> Any:
    number = at_wechat(shopper, fen)
    end(wechat, number, "confirm")
    shopper.send(*transfer_callback(wechat, number)).ok()
    return mine(shopper, number)


def test_tax_is_withheld_by_the_month_and_reported_by_the_quarter(
    operator: Operator, shopper: Shopper, wechat: Sandbox, mall_clock: LocalClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    from chalicelib.core import clock
    from chalicelib.growth.payouts import admin_routes
    from chalicelib.growth.payouts import queries as withdrawal_queries
    from chalicelib.growth.payouts.rules import quarter_of

    to_quarter(mall_clock)
    set_rules(operator, tax="labour", fee_bp=100, review_from_fen=None, per_day=10)
    other = earner(operator.send, wechat, 100_000)
    taxes = [paid(shopper, wechat, fen)["tax_fen"] for fen in (50_000, 40_000)]
    assert taxes == [0, 2_000]  # 900 yuan in the month: 100 above what is free
    failed = at_wechat(shopper, 10_000)
    assert mine(shopper, failed)["tax_fen"] == 2_000
    end(wechat, failed, "fail")
    shopper.send(*transfer_callback(wechat, failed)).ok()
    assert paid(other, wechat, 10_000)["tax_fen"] == 0
    last = paid(shopper, wechat, 10_000)
    assert (last["tax_fen"], last["fee_fen"], last["net_fen"]) == (2_000, 100, 7_900)
    assert balance(shopper) == (0, 0, 100_000)
    quarter = quarter_of(clock.now())
    assert report(operator, quarter) == {
        shopper.member_id: ["3", "100000", "4000", "1000", "95000"],
        other.member_id: ["1", "10000", "0", "100", "9900"],
    }
    monkeypatch.setattr(admin_routes, "tax_rows", lambda *asked: withdrawal_queries.tax_rows(*asked, limit=1))
    assert len(report(operator, quarter)) == 2
    assert report(operator, "2020-Q1") == {}
    operator.get("/v1/admin/tax-report?quarter=2026-Q5").refused(400, "malformed")
    assert differences(wechat, other) == []


@pytest.mark.parametrize("fails_first", [True, False])
def test_tax_that_was_withheld_because_of_a_withdrawal_that_failed_comes_back(
    fails_first: bool, operator: Operator, wechat: Sandbox, mall_clock: LocalClock
) -> None:
    from chalicelib.core import clock
    from chalicelib.growth.payouts.rules import quarter_of

    to_quarter(mall_clock)
    set_rules(operator, tax="labour", review_from_fen=None)
    shopper = earner(operator.send, wechat, 160_000)
    failing, paying = at_wechat(shopper, 80_000), at_wechat(shopper, 80_000)
    assert [mine(shopper, number)["tax_fen"] for number in (failing, paying)] == [0, 16_000]
    outcomes = [(failing, "fail"), (paying, "confirm")]
    for number, outcome in outcomes if fails_first else reversed(outcomes):
        end(wechat, number, outcome)
        shopper.send(*transfer_callback(wechat, number)).ok()
        shopper.send(*transfer_callback(wechat, number)).ok()
    assert (mine(shopper, failing)["tax_returned_fen"], mine(shopper, paying)["net_fen"]) == (16_000, 64_000)
    assert balance(shopper) == (96_000, 0, 64_000)
    postings = [line["postings"] for line in operator.items(f"/v1/admin/distributors/{shopper.member_id}/ledger")]
    assert sum(one["amount_fen"] for legs in postings for one in legs if one["account"] == "tax:payable") == 0
    assert report(operator, quarter_of(clock.now()))[shopper.member_id] == ["1", "64000", "0", "0", "64000"]
    lines = shopper.get("/v1/distributor/ledger").ok()["items"]
    assert [one["available_fen"] for one in lines if one["what"] == "withdrawal_returned_with_tax"] == [96_000]
    month = clock.day(clock.now()).isoformat()[:7]
    told = shopper.get(f"/v1/distributor/statements/{month}").ok()
    named = ("earned_fen", "withdrawn_fen", "tax_returned_fen", "closing_fen")
    assert [told[name] for name in named] == [160_000, 80_000, 16_000, 96_000]
    assert differences(wechat, shopper) == []


def test_a_rule_of_the_merchant_s_withholds_by_the_year_so_far(
    operator: Operator, shopper: Shopper, wechat: Sandbox, mall_clock: LocalClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    from chalicelib.growth.payouts.limits.rules import TAXES, Allowance

    def by_the_year(amount_fen: int, before: Allowance) -> int:
        taxable = max(0, before.year_fen + amount_fen - 10_000 * before.months)
        return max(0, taxable // 10 - before.year_tax_fen)

    monkeypatch.setitem(TAXES, "labour", by_the_year)  # type: ignore[arg-type]
    to_quarter(mall_clock)
    set_rules(operator, tax="labour", per_day=10)
    assert paid(shopper, wechat, 20_000)["tax_fen"] == 1_000  # 100 yuan of the first month are free
    waiting = at_wechat(shopper, 10_000)
    assert mine(shopper, waiting)["tax_fen"] == 1_000
    mall_clock.advance(29 * DAY)  # to the first days of the next month: what waited was too late
    run_jobs()
    assert mine(shopper, waiting)["state"] == "failed"
    # 200 and 300 yuan, of which 200 are free: 30 yuan, less the 10 of the first month
    assert paid(shopper, wechat, 30_000)["tax_fen"] == 2_000
    while month_now() != 1:
        mall_clock.advance(28 * DAY)
    assert paid(shopper, wechat, 15_000)["tax_fen"] == 500  # a new year begins with nothing


def month_now() -> int:
    from chalicelib.core import clock

    return clock.day(clock.now()).month


def to_quarter(mall_clock: LocalClock) -> None:
    """To the third day of the next quarter: what other tests paid lies before it."""
    from datetime import timedelta

    from chalicelib.core import clock

    day, days = clock.day(clock.now()), 1
    while (after := day + timedelta(days=days)).day != 3 or after.month not in (1, 4, 7, 10):
        days += 1
    mall_clock.advance(days * DAY)


def report(operator: Operator, quarter: str) -> dict[str, list[str]]:
    """The lines of the tax report on all its pages, by member."""
    found: dict[str, list[str]] = {}
    cursor = ""
    while True:
        page = operator.get(f"/v1/admin/tax-report?quarter={quarter}{cursor}")
        assert page.headers["content-type"] == "text/csv; charset=utf-8"
        header, *lines = csv.reader(io.StringIO(page.body.decode("utf-8-sig")))
        assert header == ["member_id", "withdrawals", "gross_fen", "tax_fen", "fee_fen", "net_fen"]
        for member_id, *rest in lines:
            assert member_id not in found
            found[member_id] = rest
        if "x-next-cursor" not in page.headers:
            return found
        cursor = f"&cursor={page.headers['x-next-cursor']}"
