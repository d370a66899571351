"""What orders of group-buys cost and count in the end: ladders with coupons, the leader's one piece, refunds, limits;
and an activity that is made once however often somebody presses."""

from __future__ import annotations

import secrets
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from chalicelib.commerce.coupons.tables import coupon_key, held
from chalicelib.commerce.orders import queries as order_queries
from chalicelib.commerce.orders.checks import audit, audit_coupons
from chalicelib.commerce.orders.rules import Order
from chalicelib.core.difference import Difference
from chalicelib.growth.groupbuy.tables import bought_key
from chalicelib.ledger import queries as ledger_queries
from chalicelib.platform.store import read
from local.client import Answer, Operator, Sandbox, Shopper, offered
from local.clock import LocalClock
from tests.integration.test_order_coupons import claim, pay, state, template
from tests.support.distribution import run_jobs

ACTIVITIES = "/v1/admin/group-activities"


@pytest.fixture
def people(operator: Operator, sandbox: str) -> list[Shopper]:
    return [Shopper.arrive(operator.send, Sandbox(sandbox)) for _ in range(3)]


def seat(who: Shopper, activity: dict[str, Any], lead: Any, quantity: int = 1, coupons: Any = ()) -> Any:
    """The paid order of somebody who opens a lobby, or joins the one of `lead`; at the price that is quoted."""
    group = {"activity_id": activity["activity_id"]} if lead is None else {"lobby_id": lead["group"]["lobby_id"]}
    lines = [{"sku_id": activity["prices"][0]["sku_id"], "quantity": quantity}]
    body = {"lines": lines, "address_id": who.address_id, "coupon_ids": list(coupons), "group": group}
    quoted = who.post("/v1/quotes", body).ok()
    asked = body | {"expected_payable_fen": quoted["payable_fen"]}
    placed = who.post("/v1/orders", asked, key=secrets.token_hex(8)).ok(201)
    assert placed.get("discounts", []) == quoted["discounts"]
    pay(who, placed["order_id"])
    return who.order(placed["order_id"])


def differences(orders: list[Order]) -> list[Difference]:
    """What the audits of money and coupons find of these orders."""
    entries = [entry for one in orders for entry in ledger_queries.entries_about(one.order_id)]
    keys = [coupon_key(one.member_id, coupon.coupon_id) for one in orders for coupon in one.coupons]
    wallets = [held(item) for item in read.batch_get(keys)] if keys else []
    return audit(orders, entries) + audit_coupons(orders, wallets)


def test_coupons_of_a_ladder_are_worth_their_terms_at_the_step_that_was_reached(
    operator: Operator, people: list[Shopper], mall_clock: LocalClock
) -> None:
    activity = operator.group_activity({2: 10_000, 3: 6000}, kind="ladder")
    leader, second, third = people
    fifth = claim(second, template(operator, kind="percent_off", amount_fen=None, percent_off=20, threshold_fen=0))
    large = template(operator, amount_fen=3000, threshold_fen=10_000)
    thirty = claim(third, large)
    lead = seat(leader, activity, None)
    orders = [lead, seat(second, activity, lead, coupons=[fifth]), seat(third, activity, lead, coupons=[thirty])]
    assert [one["paid_fen"] for one in orders] == [10_000, 8000, 7000]
    run_jobs()
    ended = [who.order(one["order_id"]) for who, one in zip(people, orders, strict=True)]
    assert [one["state"] for one in ended] == ["awaiting_shipment"] * 3
    assert [sum(each["amount_fen"] for each in one["refunds"]) for one in ended] == [4000, 3200, 1000]
    assert [one["reckoned"]["unit_price_fen"] for one in ended] == [6000] * 3
    assert [each["discount_fen"] for each in ended[1]["reckoned"]["discounts"]] == [1200]
    assert (state(second, fifth), state(third, thirty)) == ("used", "unused")
    assert ended[1]["coupons"] == [{"coupon_id": fifth, "discount_fen": 2000}]
    assert ended[2]["coupons"] == [{"coupon_id": thirty, "discount_fen": 3000, "came_back": True}]
    stored = [order_queries.load(one["order_id"]) for one in orders]
    assert differences(stored) == []
    figures = operator.get(f"/v1/admin/coupon-templates/{large}").ok()["figures"]
    assert [figures.get(name, 0) for name in ("used", "off_fen", "paid_fen")] == [0, 0, 0]
    # the coupon that came back is good for another order, and this one can still be refunded whole
    elsewhere = operator.product(price_fen=10_000)["skus"][0]["sku_id"]
    body = third.order_body([(elsewhere, 1)], 7000) | {"coupon_ids": [thirty]}
    other = third.post("/v1/orders", body, key="other").ok(201)
    for who, one in zip(people, orders, strict=True):
        answer = operator.post(
            f"/v1/admin/orders/{one['order_id']}/refunds", {"reason": "退货"}, key=secrets.token_hex(8)
        )
        assert answer.status in (200, 201, 202), answer.body
        run_jobs()
        done = who.order(one["order_id"])
        assert (done["state"], sum(each["amount_fen"] for each in done["refunds"])) == ("closed", one["paid_fen"])
    assert (state(second, fifth), state(third, thirty)) == ("unused", "locked")
    stored = [order_queries.load(one["order_id"]) for one in [*orders, other]]
    assert differences(stored) == []


def test_the_leader_s_price_is_for_one_piece_in_the_quote_as_in_the_order_and_its_refunds(
    operator: Operator, people: list[Shopper], mall_clock: LocalClock
) -> None:
    activity = operator.group_activity({2: (8900, 0)})
    leader, second, _ = people
    lead = seat(leader, activity, None, quantity=10)
    assert (lead["paid_fen"], lead["lines"][0]["unit_price_fen"]) == (9 * 8900, 8900)
    assert [(one["source"], one["id"], one["kind"], one["discount_fen"]) for one in lead["discounts"]] == [
        ("promotion", activity["activity_id"], "leader_price", 8900)
    ]
    seat(second, activity, lead)
    run_jobs()
    sku = lead["lines"][0]["sku_id"]
    backs = []
    for lines in ([{"sku_id": sku, "quantity": 1}], None):
        body = {"reason": "退货"} if lines is None else {"reason": "退货", "lines": lines}
        operator.post(f"/v1/admin/orders/{lead['order_id']}/refunds", body, key=secrets.token_hex(8))
        run_jobs()
        backs.append(leader.order(lead["order_id"])["refunds"][-1]["amount_fen"])
        assert differences([order_queries.load(lead["order_id"])]) == []
    assert backs == [8010, 9 * 8010]


def test_a_leader_who_has_left_does_not_join_their_own_lobby(
    operator: Operator, people: list[Shopper], mall_clock: LocalClock
) -> None:
    activity = operator.group_activity({3: 1500})
    leader, second, _ = people
    lead = seat(leader, activity, None)
    seat(second, activity, lead)
    leader.refund(lead["order_id"])
    refusal = leader.take_seat(
        lead["lines"][0]["sku_id"], lobby_id=lead["group"]["lobby_id"], payable_fen=1500
    ).refused(422, "not_for_you")
    assert [(one["field"], one["code"]) for one in refusal["errors"]] == [("group.lobby_id", "own_lobby")]
    assert seat(leader, activity, None)["group"]["is_leader"]  # another one may be opened


def test_pieces_that_are_refunded_after_success_count_no_more_for_the_limit(
    operator: Operator, people: list[Shopper], mall_clock: LocalClock
) -> None:
    activity = operator.group_activity({2: 1500}, limit_per_member=3)
    leader, second, _ = people

    def bought() -> int:
        item = read.batch_get([bought_key(activity["activity_id"], leader.member_id)])[0]
        return int(item.bought)

    def refunded(quantity: int | None) -> None:
        lines = [{"sku_id": lead["lines"][0]["sku_id"], "quantity": quantity}]
        body = {"reason": "坏了"} | ({} if quantity is None else {"lines": lines})
        key = secrets.token_hex(8)
        for _ in range(2):  # the same once more changes nothing
            operator.post(f"/v1/admin/orders/{lead['order_id']}/refunds", body, key=key)

    lead = seat(leader, activity, None, quantity=3)
    seat(second, activity, lead)
    run_jobs()
    operator.ship(lead["order_id"])
    leader.take_seat(lead["lines"][0]["sku_id"], activity_id=activity["activity_id"], payable_fen=1500).refused(
        422, "purchase_limit"
    )
    refunded(1)
    assert bought() == 2
    assert seat(leader, activity, None)["paid_fen"] == 1500
    assert bought() == 3
    asked = leader.refund(lead["order_id"], [(lead["lines"][0]["sku_id"], 1)])
    assert (asked["state"], bought()) == ("requested", 3)
    path = f"/v1/admin/orders/{lead['order_id']}/refunds/{asked['refund_id']}/approve"
    for _ in range(2):
        operator.post(path, {}).ok()
        assert bought() == 2
    refunded(None)
    assert bought() == 1


def body(operator: Operator, **more: Any) -> dict[str, Any]:
    product = operator.product(stock=100)
    sku = product["skus"][0]["sku_id"]
    return {
        "product_id": product["product_id"], "kind": "fixed", "sizes": [2], "prices": offered(sku, {2: 1500}),
        "starts_at": "2020-01-01T00:00:00Z", "ends_at": "2099-01-01T00:00:00Z",
        "stock": [{"sku_id": sku, "pieces": 30}],
    } | more  # fmt: skip


def test_pressing_twice_makes_one_activity_and_says_which(operator: Operator, mall_clock: LocalClock) -> None:
    asked = body(operator)
    sku = asked["stock"][0]["sku_id"]
    made = operator.post(ACTIVITIES, asked).ok(201)
    refusal = operator.post(ACTIVITIES, asked).refused(409, "activity_exists")
    assert refusal["activity_id"] == made["activity_id"]
    assert operator.stock(sku) == (70, 30)
    other = operator.post(ACTIVITIES, asked | {"name": "另一个"}).ok(201)
    assert other["activity_id"] != made["activity_id"]
    assert operator.stock(sku) == (40, 60)
    operator.post(f"{ACTIVITIES}/{made['activity_id']}/end").ok()
    again = operator.post(ACTIVITIES, asked).ok(201)  # what was ended early may be made again, once
    assert again["activity_id"] != made["activity_id"]
    assert operator.post(ACTIVITIES, asked).refused(409, "activity_exists")["activity_id"] == again["activity_id"]
    assert operator.stock(sku) == (10, 90)


def test_what_a_change_made_the_same_is_the_same(operator: Operator, mall_clock: LocalClock) -> None:
    asked = body(operator, starts_at="2098-12-20T00:00:00Z", stock=[])
    changed = asked | {"name": "改过"}
    made = operator.post(ACTIVITIES, asked).ok(201)
    operator.put(f"{ACTIVITIES}/{made['activity_id']}", changed).ok()
    assert operator.post(ACTIVITIES, changed).refused(409, "activity_exists")["activity_id"] == made["activity_id"]
    assert operator.post(ACTIVITIES, asked).ok(201)["activity_id"] != made["activity_id"]


def test_with_a_key_the_same_request_has_the_same_answer_and_another_is_refused(
    operator: Operator, mall_clock: LocalClock
) -> None:
    asked, key = body(operator), secrets.token_hex(8)
    made = operator.post(ACTIVITIES, asked, key=key).ok(201)
    assert operator.post(ACTIVITIES, asked, key=key).ok(201) == made
    operator.post(ACTIVITIES, asked | {"name": "x"}, key=key).refused(422, "idempotency_key_reused")
    operator.post(ACTIVITIES, asked).refused(409, "activity_exists")
    operator.post(ACTIVITIES, asked, key="x" * 65).refused(400, "idempotency_key_missing")
    second = operator.post(ACTIVITIES, asked, key=secrets.token_hex(8)).ok(201)  # who says so has another one
    assert second["activity_id"] != made["activity_id"]
    assert operator.stock(asked["stock"][0]["sku_id"]) == (40, 60)


@pytest.mark.parametrize("key", ["", "k"])
def test_two_presses_at_once_set_stock_aside_once(operator: Operator, mall_clock: LocalClock, key: str) -> None:
    for _ in range(5):
        asked = body(operator)
        chosen = key and secrets.token_hex(8)

        def press(_: int, asked: dict[str, Any] = asked, key: str = chosen) -> Answer:
            return operator.post(ACTIVITIES, asked, key=key)

        with ThreadPoolExecutor(4) as pool:
            answers = list(pool.map(press, range(4)))
        ids = {one.json["activity_id"] for one in answers if one.status == 201 or one.json["code"] == "activity_exists"}
        assert len(ids) == 1
        made = [one.status for one in answers if one.status == 201]
        assert len(made) == (4 if key else 1)
        assert operator.stock(asked["stock"][0]["sku_id"]) == (70, 30)


@pytest.mark.parametrize(("asked", "answered"), [(1, 400), (2, 201)])
def test_a_group_has_two_at_least(operator: Operator, mall_clock: LocalClock, asked: int, answered: int) -> None:
    answer = operator.post(ACTIVITIES, body(operator, min_fill=asked))
    assert answer.status == answered
