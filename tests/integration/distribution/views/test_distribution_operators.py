"""What operators see of distribution: distributors, their accounts, where every fen comes from; and that it agrees."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from chalicelib.core import clock
from local.client import Operator, Sandbox, Shopper
from local.clock import LocalClock
from local.processes import ROOT
from tests.support.distribution import (
    deliver,
    quick_member,
    run_jobs,
    set_rules,
)
from tests.support.distribution_views import PRICE, bought, give_back, items, new

pytestmark = pytest.mark.usefixtures("own_tables")

DAY = 86400


def test_operators_see_distributors_by_state_and_where_every_fen_comes_from(
    operator: Operator, people: list[Shopper], sandbox: str, sku: str, completed_at_once: None
) -> None:
    set_rules(operator, freeze_days=0)
    a, b, c = people
    waiting = [quick_member(operator.send, Sandbox(sandbox)) for _ in range(3)]
    for one in waiting:
        one.post("/v1/distributor").ok()
    as_shopper: Any = operator
    pending = [one["member_id"] for one in items(as_shopper, "/v1/admin/distributors", limit=1)]
    assert pending[-3:] == [one.member_id for one in waiting]
    order_id = bought(c, (sku, 2))
    deliver(operator, c, order_id)
    run_jobs()
    active = items(as_shopper, "/v1/admin/distributors", state="active", limit=2)
    row = next(one for one in active if one["member_id"] == b.member_id)
    assert row["nickname"] == "沈知鱼"
    figures = ("sales_fen", "orders", "customers", "pending_fen", "available_fen", "withdrawing_fen", "withdrawn_fen")
    assert [row[name] for name in figures] == [2 * PRICE, 1, 1, 0, 400, 0, 0]
    detail = operator.get(f"/v1/admin/distributors/{b.member_id}").ok()
    assert {name: detail[name] for name in row} == row
    assert (detail["tie"]["inviter"], detail["tie"]["live"], detail["rewarded"]) == (a.member_id, True, [])
    lines = operator.get(f"/v1/admin/distributors/{b.member_id}/ledger").ok()["items"]
    assert [line["what"] for line in lines] == ["commission_released", "commission_earned"]
    assert sum(leg["amount_fen"] for line in lines for leg in line["postings"]) == 0
    of_order = operator.get(f"/v1/admin/commissions?order_id={order_id}").ok()["items"]
    assert [(one["level"], one["member_id"], one["amount_fen"]) for one in of_order] == [
        (1, b.member_id, 400), (2, a.member_id, 200),
    ]  # fmt: skip
    of_member = operator.get(f"/v1/admin/commissions?member_id={a.member_id}").ok()["items"]
    assert [one["order_id"] for one in of_member] == [order_id]
    assert operator.get(f"/v1/admin/orders/{order_id}").ok()["chain"] == [b.member_id, a.member_id]
    for query in ("", "?order_id=x&member_id=y"):
        refusal = operator.get(f"/v1/admin/commissions{query}").refused(422, "invalid")
        assert [error["field"] for error in refusal["errors"]] == ["order_id"]
    for path in ("", "/ledger", "/audit"):
        operator.get(f"/v1/admin/distributors/nobody{path}").refused(404, "not_found")


def test_operators_see_who_has_sold_most_before_the_others(
    operator: Operator, people: list[Shopper], sandbox: str, sku: str, completed_at_once: None
) -> None:
    set_rules(operator, freeze_days=0)
    _, b, c = people
    rival = new(operator, sandbox)
    customer = new(operator, sandbox, brought_by=rival)
    new_ones = [new(operator, sandbox) for _ in range(6)]  # who have sold nothing, in every shard

    def sold() -> list[tuple[str, int]]:
        rows = items(operator, "/v1/admin/distributors", limit=3, state="active", sort="sales")  # type: ignore[arg-type]
        by_time = items(operator, "/v1/admin/distributors", limit=50, state="active")  # type: ignore[arg-type]
        assert sorted(row["member_id"] for row in rows) == sorted(row["member_id"] for row in by_time)
        assert [row["sales_fen"] for row in rows] == sorted((row["sales_fen"] for row in by_time), reverse=True)
        ours = {one.member_id for one in (b, rival, *new_ones)}
        return [(row["member_id"], row["sales_fen"]) for row in rows if row["member_id"] in ours and row["sales_fen"]]

    assert sold() == []
    order_id = bought(c, (sku, 3))
    deliver(operator, c, order_id)
    deliver(operator, customer, bought(customer, (sku, 2)))
    run_jobs()
    assert sold() == [(b.member_id, 3 * PRICE), (rival.member_id, 2 * PRICE)]
    give_back(operator, order_id, sku, 2)
    assert sold() == [(rival.member_id, 2 * PRICE), (b.member_id, PRICE)]
    operator.post(f"/v1/admin/distributors/{rival.member_id}/suspend").ok()
    assert sold() == [(b.member_id, PRICE)]
    suspended = items(operator, "/v1/admin/distributors", state="suspended", sort="sales")  # type: ignore[arg-type]
    row = next(row for row in suspended if row["member_id"] == rival.member_id)
    assert (row["sales_fen"], row["earned_fen"], row["available_fen"]) == (2 * PRICE, 400, 400)
    operator.post(f"/v1/admin/distributors/{rival.member_id}/approve").ok()
    assert sold() == [(rival.member_id, 2 * PRICE), (b.member_id, PRICE)]


def test_a_list_by_sales_goes_on_only_where_it_was_begun(operator: Operator, people: list[Shopper]) -> None:
    cursor = operator.get("/v1/admin/distributors?state=active&sort=sales&limit=1").ok()["next_cursor"]
    for query in ("state=active", "state=pending&sort=sales"):
        operator.get(f"/v1/admin/distributors?{query}&cursor={cursor}").refused(400, "cursor_invalid")
    operator.get("/v1/admin/distributors?sort=name").refused(400, "malformed")


def test_operators_see_the_commissions_of_a_day_the_latest_first(
    operator: Operator, people: list[Shopper], sku: str, mall_clock: LocalClock
) -> None:
    a, b, c = people
    as_shopper: Any = operator
    while clock.day(clock.now()) == clock.day(clock.now() - timedelta(hours=1)):  # to the first hour of a new day
        mall_clock.advance(3600)
    orders = []
    for _ in range(3):
        orders.append(bought(c, (sku, 1)))
        mall_clock.advance(60)
    today = clock.day(clock.now())
    for limit in (1, 4, 20):
        of_today = items(as_shopper, "/v1/admin/commissions", limit, day=today.isoformat())
        ours = [(one["order_id"], one["level"]) for one in of_today if one["member_id"] in (a.member_id, b.member_id)]
        assert ours == [(order_id, level) for order_id in orders[::-1] for level in (2, 1)]
    give_back(operator, orders[0], sku, 1)  # which changes nothing of when it was made
    mall_clock.advance(DAY)
    bought(c, (sku, 1))
    still = items(as_shopper, "/v1/admin/commissions", day=today.isoformat())
    assert [one["order_id"] for one in still if one["member_id"] == b.member_id] == orders[::-1]
    assert operator.get("/v1/admin/commissions?day=2020-02-29").ok()["items"] == []
    operator.get("/v1/admin/commissions?day=2026-02-30").refused(400, "malformed")
    operator.get(f"/v1/admin/commissions?day={today}&member_id=y").refused(422, "invalid")


def test_an_operator_can_have_one_account_recomputed(operator: Operator, people: list[Shopper], sku: str) -> None:
    from chalicelib.ledger.tables import NOW, Balances
    from chalicelib.platform.store.transaction import Transaction

    _, b, c = people
    bought(c, (sku, 1))
    path = f"/v1/admin/distributors/{b.member_id}/audit"
    assert operator.get(path).ok() == {"entries": 1, "differences": []}
    tx = Transaction()
    tx.update(Balances, (b.member_id, NOW), [Balances.available.add(7)])
    tx.commit()
    told = operator.get(path).ok()
    assert {one["about"] for one in told["differences"]} == {b.member_id}
    assert "available 7" in told["differences"][0]["what"]
    tx = Transaction()
    tx.update(Balances, (b.member_id, NOW), [Balances.available.add(-7)])
    tx.commit()


def test_an_account_with_too_many_entries_for_one_answer_names_the_page_with_the_command(
    operator: Operator, people: list[Shopper], sku: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from chalicelib.ledger import queries as ledger_queries

    _, b, c = people
    for _ in range(3):
        bought(c, (sku, 1))
    path = f"/v1/admin/distributors/{b.member_id}/audit"
    monkeypatch.setattr(ledger_queries, "ALL_MAX", 3)
    assert operator.get(path).ok() == {"entries": 3, "differences": []}
    monkeypatch.setattr(ledger_queries, "ALL_MAX", 2)
    refusal = operator.get(path).refused(422, "too_many_entries")
    assert refusal["limit"] == 2
    assert "docs/operations.md" in refusal["detail"]
    command = "`python -m tools.audit --tables PREFIX --region REGION` audits a deployed mall"
    assert command in (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")


def test_all_that_was_done_here_agrees(operator: Operator, people: list[Shopper], sku: str, sandbox: str) -> None:
    """The audit of the whole mall of these tests, and of these people before and after a purchase."""
    from tools import audit

    _, _, c = people
    order_id = bought(c, (sku, 3))
    give_back(operator, order_id, sku, 1)
    mine = {order_id, *(one.member_id for one in people)}
    books = audit.read(None)
    assert [one for one in books.distribution.commissions if one.order_id == order_id]
    assert [one for one in books.differences() if one.about.split()[0] in mine] == []
