"""Every day WeChat's bills are held against the mall's books: each difference is found, named and closed."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest

from chalicelib.commerce.orders.payment import service as payment
from chalicelib.core import clock, ids
from chalicelib.core.errors import MallError
from chalicelib.gateways.wechat import bills
from chalicelib.gateways.wechat.errors import WechatError
from chalicelib.insight.reconciliation import service
from chalicelib.insight.reconciliation.rules import DaySums
from chalicelib.insight.reconciliation.tables import Reconciliations
from chalicelib.ledger import rules as entries
from chalicelib.ledger.rules import Sale
from chalicelib.platform.jobs import worker
from chalicelib.platform.store import tools, transaction
from tests.support.reconciliation import PRICE, Shop, post


def everything() -> list[Any]:
    """All that is kept of comparisons, to the byte."""
    return sorted(str(item.serialize()) for item in tools.scan(Reconciliations))


def a_day(shop: Shop) -> tuple[list[str], list[str], list[str]]:
    """Payments, refunds of parts of some of them, transfers; their numbers."""
    orders, refunds = [], []
    for pieces in (1, 2, 3, 4):
        orders.append(shop.paid(pieces))
        if pieces > 1:
            refunds.append(shop.refunded(orders[-1], shop.shopper))
    return orders, refunds, [shop.transferred(500), shop.transferred(1234), shop.transferred(1000)]


def test_a_day_that_both_sides_tell_alike(shop: Shop) -> None:
    day = shop.today
    a_day(shop)
    shop.transferred(700, "begun")
    shop.transferred(700, "failed")
    shop.next_morning(day)
    run = service.compare(day)
    both = DaySums(
        payments=4, payments_fen=10 * PRICE, refunds=3, refunds_fen=3 * PRICE, transfers=3, transfers_fen=2734 - 90
    )
    assert (run.theirs, run.ours, run.differences) == (both, both, 0)
    assert run.fees_fen == 12 + 24 + 36 + 48  # 0.6 % of each payment
    assert shop.differences() == []
    (told,) = shop.operator.get("/v1/admin/reconciliation/days").ok()["items"]
    assert (told["day"], told["differences"], told["theirs"]["payments_fen"]) == (str(day), 0, 10 * PRICE)


def test_a_day_without_anything(shop: Shop) -> None:
    day = shop.today
    shop.next_morning(day)
    assert service.compare(day).theirs == DaySums()
    assert shop.differences() == []


def spoilt_day(shop: Shop) -> tuple[date, set[tuple[Any, ...]]]:
    """Every kind of difference of every subject, on both sides, among much that agrees; what is to be found."""
    day = shop.today
    expected: set[tuple[Any, ...]] = set()
    agreed = a_day(shop)
    orders, refunds, paid_out = a_day(shop)

    # payments: WeChat has lost one, tells another amount, tells of a stranger, has revoked one
    for kind, number, more in (("drop", orders[0], {}), ("amount", orders[1], {"amount_fen": 5})):
        shop.spoil(day, kind, number, **more)
    shop.spoil(day, "state", orders[2], state="REVOKED")
    shop.spoil(day, "add", "stranger-1", amount_fen=77)
    expected |= {
        ("missing_there", "payment", orders[0], PRICE, None),
        ("amount", "payment", orders[1], 2 * PRICE, 5),
        ("state", "payment", orders[2], 3 * PRICE, 3 * PRICE),
        ("missing_here", "payment", "stranger-1", None, 77),
    }
    # we never learnt of one, and have booked another that WeChat never saw
    untold = shop.paid(told=False)
    invented = ids.new("o")
    post(entries.paid(invented, clock.now(), Sale(goods_fen=10)))
    expected |= {("state", "payment", untold, None, PRICE), ("missing_there", "payment", invented, 10, None)}

    # refunds: the same
    shop.spoil(day, "drop", refunds[0])
    shop.spoil(day, "amount", refunds[1], amount_fen=6)
    shop.spoil(day, "state", refunds[2], state="FAIL")
    shop.spoil(day, "add", f"{agreed[0][0]}-stranger", amount_fen=78, refund_of=agreed[0][0])
    shop.spoil(day, "add", "nobody-knows", amount_fen=79, refund_of="nobody")
    asked = waiting_refund(shop)
    shop.spoil(day, "add", asked, amount_fen=PRICE, refund_of=asked.partition("-")[0])
    expected |= {
        ("missing_there", "refund", refunds[0], PRICE, None),
        ("amount", "refund", refunds[1], PRICE, 6),
        ("state", "refund", refunds[2], PRICE, PRICE),
        ("missing_here", "refund", f"{agreed[0][0]}-stranger", None, 78),
        ("missing_here", "refund", "nobody-knows", None, 79),
        ("state", "refund", asked, None, PRICE),
    }
    post(entries.refund_paid(f"{invented}-r", invented, clock.now(), 10))
    expected.add(("missing_there", "refund", f"{invented}-r", 10, None))

    # transfers: the same
    shop.spoil(day, "drop", paid_out[0], bill="fund_flow")
    shop.spoil(day, "amount", paid_out[1], amount_fen=7, bill="fund_flow")
    shop.spoil(day, "add", "stranger9", amount_fen=80, bill="fund_flow")
    failed, begun = shop.transferred(900, "failed"), shop.transferred(901, "begun")
    for number, fen in ((failed, 870), (begun, 871)):
        shop.spoil(day, "add", number, amount_fen=fen, bill="fund_flow")
        expected.add(("state", "transfer", number, None, fen))
    expected |= {
        ("missing_there", "transfer", paid_out[0], 470, None),
        ("amount", "transfer", paid_out[1], 1204, 7),
        ("missing_here", "transfer", "stranger9", None, 80),
    }
    shop.next_morning(day)
    return day, expected


def waiting_refund(shop: Shop) -> str:
    """A refund that an operator has not decided yet, of an order that was sent."""
    order_id = shop.paid()
    shop.operator.ship(order_id)
    refund = shop.shopper.refund(order_id)
    assert refund["state"] == "requested"
    return str(refund["refund_id"])


def test_every_difference_is_found_and_nothing_else(shop: Shop) -> None:
    day, expected = spoilt_day(shop)
    run = service.compare(day)
    assert shop.told(day) == expected
    assert run.differences == len(expected) == 18
    assert {(one["kind"], one["subject"]) for one in shop.differences()} == {
        (kind, subject)
        for kind in ("missing_here", "missing_there", "amount", "state")
        for subject in ("payment", "refund", "transfer")
    }
    kept = everything()
    shop.clock.advance(3600)
    assert service.compare(day) == run
    assert everything() == kept


def test_what_differs_no_more_is_closed_by_itself(shop: Shop) -> None:
    day, expected = spoilt_day(shop)
    service.compare(day)
    shop.repair(day)
    (untold,) = {one[2] for one in expected if one[:2] == ("state", "payment") and one[3] is None}
    assert payment.ask(untold) in payment.PAID_WORDS
    service.compare(day)
    invented = {one["number"] for one in shop.differences()}
    assert len(invented) == 2
    assert invented < {number for kind, _, number, _, _ in expected if kind == "missing_there"}
    gone = shop.differences("closed")
    assert len(gone) == 16
    assert {(one["closed_by"], one["reason"]) for one in gone} == {("system", "resolved")}
    path = f"/v1/admin/reconciliation/differences/{gone[0]['difference_id']}/close"
    problem = shop.operator.post(path, {"reason": "补记"}).refused(409, "difference_closed")
    assert problem["errors"][0]["code"] == "difference_closed_by_itself"
    number = next(one["number"] for one in gone if one["kind"] == "amount" and one["subject"] == "payment")
    shop.spoil(day, "amount", number, amount_fen=5)
    service.compare(day)
    assert {one["number"] for one in shop.differences()} == {*invented, number}


def test_an_operator_closes_a_difference_with_a_reason(shop: Shop) -> None:
    day = shop.today
    shop.spoil(day, "add", "by-hand", amount_fen=100, bill="fund_flow")
    shop.next_morning(day)
    service.compare(day)
    (found,) = shop.differences()
    path = f"/v1/admin/reconciliation/differences/{found['difference_id']}/close"
    for body in ({}, {"reason": ""}, {"reason": "x" * 300}, {"reason": "y", "amount_fen": 1}):
        assert shop.operator.post(path, body).status in (400, 422)
    assert shop.differences() == [found]
    for _ in range(2):  # pressing twice is once
        closed = shop.operator.post(path, {"reason": "手工转账，已补记"}).ok()
    assert (closed["state"], closed["reason"]) == ("closed", "手工转账，已补记")
    assert closed["closed_by"] == "operator:owner-of-tests"
    problem = shop.operator.post(path, {"reason": "别的"}).refused(409, "difference_closed")
    assert problem["detail"] == "该差异已处理，不能再改，处理说明：手工转账，已补记"
    assert shop.differences() == []
    assert shop.differences("closed") == [closed]
    kept = everything()
    shop.clock.advance(3600)
    service.compare(day)
    assert everything() == kept
    shop.repair(day)
    service.compare(day)
    assert shop.differences("closed") == [closed]


@pytest.mark.parametrize("unknown", ["2026-11-21-abcdefghijklmnop", "nonsense", "2026-11-21-run", "run"])
def test_a_difference_that_is_not_there_cannot_be_closed(shop: Shop, unknown: str) -> None:
    path = f"/v1/admin/reconciliation/differences/{unknown}/close"
    problem = shop.operator.post(path, {"reason": "?"}).refused(404, "not_found")
    assert problem["errors"][0]["code"] == "no_such_difference"


def test_what_one_side_has_before_midnight_and_the_other_after_it_is_no_difference(shop: Shop) -> None:
    day = shop.today
    shop.at(day, 23, 59, 40)
    refunding = shop.paid(2)
    refund = shop.refunded(refunding, shop.shopper)
    worker.run_due()  # which WeChat takes on
    shop.at(day, 23, 59, 58)
    late = shop.paid(told=False)
    shop.at(day + timedelta(days=1), 0, 0, 1)
    assert payment.ask(late) in payment.PAID_WORDS
    shop.settle()  # the refund is learnt of on the next day
    shop.next_morning(day)
    first = service.compare(day)
    assert (first.theirs.payments, first.ours.payments, first.theirs.refunds, first.ours.refunds) == (2, 1, 1, 0)
    shop.next_morning(day + timedelta(days=1))
    second = service.compare(day + timedelta(days=1))
    assert (second.theirs, second.ours.payments, second.ours.refunds) == (DaySums(), 1, 1)
    assert shop.differences() == []
    # but what neither day's bill has is missing
    shop.spoil(day, "drop", late)
    shop.spoil(day, "drop", refund)
    service.compare(day + timedelta(days=1))
    assert shop.told(day + timedelta(days=1)) == {
        ("missing_there", "payment", late, PRICE, None),
        ("missing_there", "refund", refund, PRICE, None),
    }


def test_a_payment_for_a_closed_order_and_its_way_back_are_no_difference(shop: Shop) -> None:
    day = shop.today
    order_id = shop.paid(told=False)
    # the mall had closed it
    from chalicelib.commerce.orders import service as changes
    from chalicelib.commerce.orders.rules import step

    changes.change(order_id, lambda order, tx: step(order, "close", "expired", "system", clock.now()))
    assert payment.ask(order_id) in payment.PAID_WORDS
    shop.next_morning(day)
    run = service.compare(day)
    assert (run.theirs, run.differences) == (run.ours, 0)
    assert (run.ours.payments, run.ours.refunds) == (1, 1)


def test_a_refund_that_wechat_closed_and_that_was_paid_under_a_new_number(shop: Shop) -> None:
    day = shop.today
    order_id = shop.paid(2)
    refund = shop.refunded(order_id, shop.shopper)
    shop.sandbox.post(f"refunds/{refund}", {"outcome": "CLOSED"})
    shop.settle()
    assert shop.shopper.order(order_id)["refunds"][0]["state"] == "failed"
    shop.operator.post(f"/v1/admin/orders/{order_id}/refunds/{refund}/ask-again").ok()
    shop.next_morning(day)
    assert shop.shopper.order(order_id)["refunds"][0]["state"] == "succeeded"
    assert service.compare(day).differences == 0


@pytest.mark.parametrize("kind", ["hash", "truncate", "summary"])
@pytest.mark.parametrize("bill", ["trade", "fund_flow"])
def test_a_bill_that_cannot_be_believed_changes_nothing(shop: Shop, kind: str, bill: str) -> None:
    day = shop.today
    shop.paid()
    shop.transferred(500)
    shop.spoil(day, kind, bill=bill)
    shop.next_morning(day)
    with pytest.raises(WechatError):
        service.compare(day)
    assert everything() == []
    shop.repair(day)
    assert service.compare(day).differences == 0


@pytest.mark.parametrize(
    ("where", "name", "limit"), [(bills, "TRADES_MAX", 1), (bills, "FLOW_MAX", 1), (service, "SECONDS_MAX", 0.0)]
)
def test_a_day_that_is_too_long_for_a_worker_is_a_difference_until_it_could_be_compared(
    shop: Shop, where: Any, name: str, limit: float
) -> None:
    day = shop.today
    shop.paid()
    shop.transferred(500)
    shop.spoil(day, "add", "stranger", amount_fen=77)
    shop.next_morning(day)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(where, name, limit)
        assert service.compare(day).differences == 1
        assert shop.told(day) == {("unread", "payment", "", None, None)}
        assert service.compare(day).differences == 1
    service.compare(day)
    assert shop.told(day) == {("missing_here", "payment", "stranger", None, 77)}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(where, name, limit)
        service.compare(day)
        assert {one[0] for one in shop.told(day)} == {"missing_here", "unread"}


def test_a_run_that_dies_at_any_write_is_made_whole_by_the_next(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "_WRITES", 4)
    day, expected = spoilt_day(shop)
    call, writes = transaction.call, [0]

    def dying(operation: str, arguments: dict[str, Any]) -> Any:
        if operation == "TransactWriteItems":
            writes[0] += 1
            if writes[0] % 3 == 2:  # never written
                raise MallError("unavailable")
            answer = call(operation, arguments)
            if writes[0] % 3 == 0:  # written, and nobody learns of it
                raise MallError("unavailable")
            return answer
        return call(operation, arguments)

    monkeypatch.setattr(transaction, "call", dying)
    died = 0
    while True:
        try:
            run = service.compare(day)
            break
        except MallError:
            died += 1
    assert died >= 3
    assert shop.told(day) == expected
    assert run.differences == len(expected)


def test_lists_are_paged(shop: Shop) -> None:
    day = shop.today
    for number in range(5):
        shop.spoil(day, "add", f"stranger-{number}", amount_fen=number + 1)
    shop.next_morning(day)
    service.compare(day)
    service.compare(day - timedelta(days=1))
    whole = shop.differences()
    page = shop.operator.get("/v1/admin/reconciliation/differences?limit=2").ok()
    rest = shop.operator.get(f"/v1/admin/reconciliation/differences?limit=9&cursor={page['next_cursor']}").ok()
    assert page["items"] + rest["items"] == whole
    assert len(whole) == 5
    days = shop.operator.get("/v1/admin/reconciliation/days?limit=1").ok()
    assert [one["day"] for one in days["items"]] == [str(day)]
    foreign = shop.operator.get(f"/v1/admin/reconciliation/differences?cursor={days['next_cursor']}")
    foreign.refused(400, "cursor_invalid")
