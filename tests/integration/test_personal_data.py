"""A person's data: all of it for them, and forgotten when they ask for that and nothing is open any more."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from chalicelib.commerce.orders.tables import Purchases, UnpaidOrders
from chalicelib.core import clock
from chalicelib.platform.store import read
from local.client import SHANGHAI, Operator, Sandbox, Shopper
from local.clock import LocalClock
from tests.support.distribution import come_by, deliver, distributor, pay, run_jobs, set_rules

DAY = 86400


@pytest.fixture
def operator(operator: Operator) -> Iterator[Operator]:
    set_rules(operator)
    yield operator
    set_rules(operator, enabled=False)


@pytest.fixture
def member(operator: Operator, sandbox: str) -> Shopper:
    return Shopper.arrive(operator.send, Sandbox(sandbox))


def export(member: Shopper) -> dict[str, list[Any]]:
    """All parts of it."""
    sections: dict[str, list[Any]] = {}
    cursor = ""
    while True:
        part = member.get(f"/v1/me/export{cursor}").ok()
        for name, items in part["sections"].items():
            sections.setdefault(name, []).extend(items)
        if part["next_cursor"] is None:
            return sections
        cursor = f"?cursor={part['next_cursor']}"


def log_in(member: Shopper) -> Any:
    code = member.sandbox.post("login", {"user": member.user})["code"]
    return member.post("/v1/auth/login", {"code": code}).ok()


def test_a_member_is_shown_all_that_is_kept_of_them_and_nobody_elses(
    operator: Operator, member: Shopper, sandbox: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    sku = operator.product()["skus"][0]["sku_id"]
    seller, stranger = (Shopper.arrive(operator.send, Sandbox(sandbox)) for _ in range(2))
    come_by(member, distributor(operator, seller)["invite_code"])
    distributor(operator, member)
    run_jobs()
    orders = [member.place([(sku, 1)])["order_id"] for _ in range(3)]
    member.call("PUT", f"/v1/cart/lines/{sku}", {"quantity": 2}).ok()
    stranger.place([(sku, 1)])
    shown = export(member)
    assert shown["profile"][0]["member_id"] == member.member_id
    assert shown["addresses"][0]["phone"] == SHANGHAI["phone"]
    assert sorted(order["order_id"] for order in shown["orders"]) == sorted(orders)
    assert [line["quantity"] for line in shown["cart"]] == [2]
    assert len(shown["bound_to"]) == 1
    assert shown["distributor"][0]["state"] == "active"
    assert shown["coupons"] == shown["account"] == []
    assert stranger.member_id not in json.dumps(shown)
    monkeypatch.setattr("chalicelib.customers.members.privacy.service._ITEMS_MAX", 1)
    assert export(member) == shown
    first = member.get("/v1/me/export").ok()["next_cursor"]
    stranger.get(f"/v1/me/export?cursor={first}").refused(400, "cursor_invalid")


def test_who_goes_is_forgotten_and_what_they_bought_is_kept_without_them(
    operator: Operator, member: Shopper, mall_clock: LocalClock
) -> None:
    sku = operator.product()["skus"][0]["sku_id"]
    order_id = member.place([(sku, 1)])["order_id"]
    problem = member.leave().refused(409, "account_open")
    assert problem["detail"] == "还有进行中的订单，请在订单完成（含退款期）或关闭后再注销"
    pay(member, order_id)
    member.leave().refused(409, "account_open")
    deliver(operator, member, order_id)
    mall_clock.advance(7 * DAY + 1)
    run_jobs()
    member.call("PUT", f"/v1/cart/lines/{sku}", {"quantity": 2}).ok()
    assert member.leave().status in (200, 204)
    member.get("/v1/me").refused(401, "unauthenticated")
    member.leave().refused(401, "unauthenticated")
    run_jobs()
    run_jobs()
    kept = operator.get(f"/v1/admin/orders/{order_id}").ok()
    assert (kept["state"], kept["paid_fen"]) == ("completed", 1990)
    assert SHANGHAI["phone"] not in json.dumps(kept)
    assert SHANGHAI["name"] not in json.dumps(kept, ensure_ascii=False)
    assert SHANGHAI["detail"] not in json.dumps(kept, ensure_ascii=False)
    back = log_in(member)
    assert not back["is_new"], "who returns is known for some time"
    assert back["member"]["member_id"] != member.member_id


def test_what_is_counted_of_a_members_orders_is_shown_and_forgotten(
    operator: Operator, member: Shopper, mall_clock: LocalClock
) -> None:
    product = operator.product(limit_per_member=5)
    sku = product["skus"][0]["sku_id"]
    bought, let_go = (member.place([(sku, pieces)])["order_id"] for pieces in (2, 1))
    member.post(f"/v1/orders/{let_go}/cancel").ok()
    shown = export(member)
    assert [(one["what"], one["order_id"]) for one in shown["orders_of_late"]] == [("let_go", let_go)]
    mall_clock.advance(1)
    pay(member, bought)
    shown = export(member)
    late = [(one["what"], one["order_id"]) for one in shown["orders_of_late"]]
    assert late == [("let_go", let_go), ("paid", bought)]
    assert shown["limited_products"] == [{"product_id": product["product_id"], "pieces": 2}]
    deliver(operator, member, bought)
    mall_clock.advance(7 * DAY + 1)
    run_jobs()
    member.leave().ok(204)
    run_jobs()
    assert read.get_raw(UnpaidOrders, member.member_id) == {
        "member_id": {"S": member.member_id}, "gone": {"BOOL": True}, "orders": {"N": "0"},
    }  # fmt: skip
    (counted,) = read.query_all(Purchases, member.member_id)
    assert counted.pieces == 2
    assert timedelta(days=179) < counted.expires - clock.now() < timedelta(days=181)


def test_who_let_orders_go_unpaid_leaves_a_day_later_or_once_they_have_paid(
    operator: Operator, member: Shopper, sandbox: str, mall_clock: LocalClock
) -> None:
    """Else leaving and coming back would let orders go without end."""
    sku = operator.product()["skus"][0]["sku_id"]
    friend = Shopper.arrive(operator.send, Sandbox(sandbox))
    for shopper in (member, friend):
        shopper.post(f"/v1/orders/{shopper.place([(sku, 1)])['order_id']}/cancel").ok()
    refused = member.leave().refused(409, "account_open")
    assert [error["code"] for error in refused["errors"]] == ["orders_let_go"]
    mall_clock.advance(1)
    paid = friend.place([(sku, 1)])["order_id"]
    pay(friend, paid)
    refused = friend.leave().refused(409, "account_open")
    assert [error["code"] for error in refused["errors"]] == ["orders_under_way"]
    mall_clock.advance(DAY + 1)
    member.leave().ok(204)


def test_who_is_owed_a_commission_is_not_forgotten_before_it_is_paid(
    operator: Operator, member: Shopper, sandbox: str
) -> None:
    code = distributor(operator, member)["invite_code"]
    customer = Shopper.arrive(operator.send, Sandbox(sandbox))
    come_by(customer, code)
    run_jobs()
    order_id = customer.place([(operator.product()["skus"][0]["sku_id"], 1)])["order_id"]
    pay(customer, order_id)
    run_jobs()
    refusal = member.leave()
    refusal.refused(409, "account_open")
    assert refusal.json["hindrances"] == ["distributor"]
    assert [error["code"] for error in refusal.json["errors"]] == ["commissions_unsettled"]
    customer.refund(order_id)
    run_jobs()
    assert member.leave().status in (200, 204)
    run_jobs()
    come_by(Shopper.arrive(operator.send, Sandbox(sandbox)), code)
    run_jobs()
    assert operator.post(f"/v1/admin/distributors/{member.member_id}/suspend").ok()["state"] == "suspended"
