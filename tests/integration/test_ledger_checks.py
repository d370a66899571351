"""When a day is over, all that money moved for at WeChat is held against the journal; each difference is told."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from chalicelib.commerce.orders.tables import Orders
from chalicelib.core import clock, ids, log, metrics
from chalicelib.core.metrics import Metric
from chalicelib.growth.payouts.tables import Withdrawals
from chalicelib.insight.reconciliation import service
from chalicelib.insight.reconciliation.ledger_checks import service as ledger_checks
from chalicelib.ledger import queries as ledger_queries
from chalicelib.ledger import rules as entries
from chalicelib.ledger.rules import Sale
from chalicelib.ledger.tables import NOW, Balances, LedgerEntries
from chalicelib.platform.jobs import daily, worker
from chalicelib.platform.store import read
from chalicelib.platform.store.transaction import remove, write
from local.client import Shopper
from tests.support import withdrawals
from tests.support.reconciliation import PRICE, Shop, post


class Told:
    """What was logged, and what was counted."""

    def __init__(self) -> None:
        self.lines: list[dict[str, Any]] = []

    @property
    def differences(self) -> list[tuple[str, str]]:
        """What differs, and how."""
        return sorted((line["about"], line["what"]) for line in self.lines if line["event"] == "books_differ")

    def counted(self, metric: Metric) -> list[float]:
        """What was told of the metric, each time that workers ran."""
        return [line[metric] for line in self.lines if line["event"] == "counted" and metric in line]


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> Told:
    told = Told()
    monkeypatch.setattr(log._logger, "log", lambda _, line: told.lines.append(json.loads(line)))
    return told


@pytest.fixture
def shop(shop: Shop) -> Shop:
    """A mall in which no money has moved for a week: days that were not compared before are audited with this one."""
    shop.at(shop.today + timedelta(days=8), 12)
    return shop


@pytest.fixture
def earner(shop: Shop) -> Iterator[Shopper]:
    """A distributor with 1,000 yuan."""
    shop.sandbox.post("balance", {"available_fen": withdrawals.PLENTY_FEN})
    withdrawals.set_rules(shop.operator)
    yield withdrawals.earner(shop.operator.send, shop.sandbox, 100_000)
    shop.operator.put("/v1/admin/settings/withdrawals", {}).ok()


def sold(shop: Shop) -> list[str]:
    """Orders of a day, a part of one refunded, and all of another."""
    orders = [shop.paid(pieces) for pieces in (1, 2, 3)]
    shop.refunded(orders[-1], shop.shopper)
    orders.append(shop.paid())
    shop.refunded(orders[-1], shop.shopper)
    return orders


def withdrawn(shop: Shop, earner: Shopper) -> str:
    """A withdrawal that was paid."""
    number: str = withdrawals.withdraw(earner, 10_000)["withdrawal_id"]
    worker.run_due()
    withdrawals.end(shop.sandbox, number, "confirm")
    earner.send(*withdrawals.transfer_callback(shop.sandbox, number)).ok()
    return number


def next_day(shop: Shop) -> None:
    """The next morning comes, and workers do what is owed by then."""
    shop.settle()
    daily.owe()
    shop.at(shop.today + timedelta(days=1), 10, 6)
    with metrics.gather():
        worker.run_due()


def test_a_day_whose_books_agree_is_silent(shop: Shop, earner: Shopper, told: Told) -> None:
    sold(shop)
    withdrawn(shop, earner)
    next_day(shop)
    assert told.differences == []
    assert told.counted(Metric.BOOKS_DIFFER) == []
    assert told.counted(Metric.BILLS_DIFFER) == [0]


def test_whatever_differs_is_found_the_next_morning_once(shop: Shop, earner: Shopper, told: Told) -> None:
    first, second, refunded, _ = sold(shop)
    paid_out, other = withdrawn(shop, earner), withdrawals.earner(shop.operator.send, shop.sandbox, 20_000)
    lowered = withdrawn(shop, other)
    shop.settle()

    order = read.get(Orders, first).order  # an order says something else
    write(Orders, (first,), [Orders.order.set(msgspec.structs.replace(order, paid_fen=PRICE + 1))], None)
    remove(LedgerEntries, (second, "paid"))  # an entry is lost, but not its like for a refund
    post(entries.refund_paid("r-nobody", second, clock.now(), 3))
    invented = ids.new("o")  # an entry is of nothing
    post(entries.paid(invented, clock.now(), Sale(goods_fen=10)))
    number = next(one.refund_id for one in read.get(Orders, refunded).order.refunds)  # one is posted twice
    post(entries.refund_paid(f"{number}x", refunded, clock.now(), PRICE))
    withdrawal = read.get(Withdrawals, lowered).withdrawal  # a withdrawal says something else
    less = msgspec.structs.replace(withdrawal, amount_fen=9_999)
    write(Withdrawals, (lowered,), [Withdrawals.withdrawal.set(less)], None)
    write(Balances, (earner.member_id, NOW), [Balances.available.add(1)], None)  # a balance is another

    next_day(shop)
    assert {about for about, _ in told.differences} == {first, second, refunded, invented, paid_out, lowered}
    assert told.counted(Metric.BOOKS_DIFFER) == [len(told.differences)]
    assert (first, f"paid: the order says {PRICE + 1} fen, entries say {PRICE}") in told.differences
    assert (second, f"paid: the order says {2 * PRICE} fen, entries say 0") in told.differences
    assert (invented, "entry paid is of no order") in told.differences
    assert (lowered, "is succeeded, and its entry paid is another one") in told.differences
    assert (paid_out, "statements close with 90000 fen, the balance is 90001") in told.differences
    assert earner.member_id not in str(told.lines)

    told.lines.clear()
    next_day(shop)
    assert told.differences == []  # that day is done


def test_a_day_of_many_pages_is_audited_whole(shop: Shop, told: Told, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ledger_checks, "_PAGE", 2)
    invented = sorted(ids.new("o") for _ in range(23))
    for order_id in invented:
        post(entries.paid(order_id, clock.now(), Sale(goods_fen=10)))
    assert len(list(ledger_queries.entries_of_day(shop.today))) == 23
    next_day(shop)
    assert told.differences == [(order_id, "entry paid is of no order") for order_id in invented]


def test_what_changes_while_it_is_read_is_no_difference(
    shop: Shop, told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    order_id = shop.paid()
    look, refunded = ledger_checks.audit, []

    def slow(*given: Any) -> Any:
        """Orders and entries are read; as if a refund had been paid out between the two."""
        found = look(*given)
        if not refunded and given[0]:
            refunded.append(True)
            (order,) = given[0]
            return look([msgspec.structs.replace(order, paid_fen=1)], *given[1:])
        return found

    monkeypatch.setattr(ledger_checks, "audit", slow)
    next_day(shop)
    assert refunded == [True]
    assert told.differences == []
    assert read.get(Orders, order_id).order.paid_fen == PRICE


def test_differences_with_the_bills_are_counted_as_long_as_they_stand(shop: Shop, told: Told) -> None:
    day = shop.today
    shop.spoil(day, "add", "stranger-1", amount_fen=77)
    shop.spoil(day, "add", "stranger-2", amount_fen=78)
    shop.next_morning(day)
    with metrics.gather():
        service.compare(day)
    closed, _ = shop.differences()
    path = f"/v1/admin/reconciliation/differences/{closed['difference_id']}/close"
    shop.operator.post(path, {"reason": "手工收款，已补记"}).ok()
    with metrics.gather():
        service.compare(day)
    shop.repair(day)
    with metrics.gather():
        service.compare(day)
    assert told.counted(Metric.BILLS_DIFFER) == [2, 1, 0]
