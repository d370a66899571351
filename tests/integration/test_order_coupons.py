"""Coupons in orders: in one order at most, used when it is paid, back when it is not or when all of it is refunded."""

from __future__ import annotations

import secrets
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from chalicelib.commerce.orders.closing import service as closing
from chalicelib.commerce.orders.queries import find
from local.client import Answer, Operator, Sandbox, Shopper
from local.clock import LocalClock
from local.notices import payment_callback

PRICE, STOCK = 3000, 100


@pytest.fixture
def sku(operator: Operator) -> str:
    sku_id: str = operator.product(stock=STOCK, price_fen=PRICE)["skus"][0]["sku_id"]
    return sku_id


def template(operator: Operator, **more: Any) -> str:
    """Five yuan off from twenty yuan on, unless `more` says otherwise."""
    body = {
        "name": "五元券", "kind": "amount_off", "amount_fen": 500, "threshold_fen": 2000, "total": 100,
        "limit_per_member": 5, "valid": {"days": 7}, "how": ["claim"],
    } | more  # fmt: skip
    made: str = operator.post("/v1/admin/coupon-templates", body).ok(201)["template_id"]
    return made


def claim(shopper: Shopper, template_id: str) -> str:
    coupon: str = shopper.post(f"/v1/coupon-templates/{template_id}/claim").ok(201)["coupon_id"]
    return coupon


def quote(shopper: Shopper, sku: str, quantity: int = 1, **more: Any) -> Any:
    lines = [{"sku_id": sku, "quantity": quantity}]
    return shopper.post("/v1/quotes", {"lines": lines, "address_id": shopper.address_id} | more).ok()


def order(shopper: Shopper, sku: str, payable_fen: int, quantity: int = 1, key: str = "", **more: Any) -> Answer:
    lines = [{"sku_id": sku, "quantity": quantity}]
    body = {"lines": lines, "address_id": shopper.address_id, "expected_payable_fen": payable_fen} | more
    return shopper.post("/v1/orders", body, key=key or secrets.token_hex(8))


def pay(shopper: Shopper, order_id: str) -> None:
    shopper.sandbox.pay(shopper.start_payment(order_id), notify="none")
    shopper.send(*payment_callback(shopper.sandbox, order_id)).ok()


def state(shopper: Shopper, coupon_id: str) -> str:
    found = {
        one["coupon_id"]: one["state"]
        for state in ("unused", "locked", "used", "expired")
        for one in shopper.get(f"/v1/me/coupons?state={state}&limit=100").ok()["items"]
    }
    return str(found[coupon_id])


def test_a_coupon_is_in_the_quote_then_in_the_order_and_used_with_its_payment(
    shopper: Shopper, operator: Operator, sku: str
) -> None:
    coupon = claim(shopper, template(operator))
    plain = quote(shopper, sku)
    assert (plain["payable_fen"], plain["coupons"]) == (PRICE, [])
    mine = shopper.get("/v1/me/coupons").ok()["items"][0]
    named = {field: mine[field] for field in ("coupon_id", "name", "valid_from", "valid_until")}
    assert plain["usable_coupons"] == [named | {"discount_fen": 500}]
    assert quote(shopper, sku, coupon_ids=[coupon])["usable_coupons"] == [named | {"discount_fen": 500}]
    best = quote(shopper, sku, coupon_ids="best")
    assert best == quote(shopper, sku, coupon_ids=[coupon])
    assert (best["goods_fen"], best["discount_fen"], best["payable_fen"]) == (PRICE, 500, PRICE - 500)
    assert best["coupons"] == [{"coupon_id": coupon, "discount_fen": 500}]
    placed = order(shopper, sku, PRICE - 500, coupon_ids=[coupon]).ok(201)
    assert (placed["discount_fen"], placed["payable_fen"]) == (500, PRICE - 500)
    assert placed["coupons"] == [{"coupon_id": coupon, "discount_fen": 500}]
    assert [(one["source"], one["id"], one["discount_fen"]) for one in placed["discounts"]] == [("coupon", coupon, 500)]
    assert state(shopper, coupon) == "locked"
    pay(shopper, placed["order_id"])
    assert (shopper.order(placed["order_id"])["paid_fen"], state(shopper, coupon)) == (PRICE - 500, "used")
    order(shopper, sku, PRICE - 500, coupon_ids=[coupon]).refused(422, "coupon_unusable")
    assert quote(shopper, sku)["usable_coupons"] == []


def test_a_price_without_the_coupon_is_another_price(shopper: Shopper, operator: Operator, sku: str) -> None:
    coupon = claim(shopper, template(operator))
    refusal = order(shopper, sku, PRICE, coupon_ids=[coupon])
    refusal.refused(409, "price_changed")
    assert state(shopper, coupon) == "unused"


def test_one_coupon_in_ten_orders_at_once_is_in_one_and_the_others_are_told(
    shopper: Shopper, operator: Operator, sku: str
) -> None:
    coupon = claim(shopper, template(operator))

    def attempt(_: int) -> str:
        answer = order(shopper, sku, PRICE - 500, coupon_ids=[coupon])
        return str(answer.json["code"]) if answer.status != 201 else "placed"

    with ThreadPoolExecutor(10) as crowd:
        ends = Counter(crowd.map(attempt, range(10)))
    assert ends["placed"] == 1
    assert set(ends) <= {"placed", "coupon_taken", "coupon_unusable"}
    assert operator.stock(sku) == (STOCK - 1, 1)


def test_a_cancelled_order_gives_its_coupon_back(shopper: Shopper, operator: Operator, sku: str) -> None:
    coupon = claim(shopper, template(operator))
    placed = order(shopper, sku, PRICE - 500, coupon_ids=[coupon]).ok(201)
    shopper.post(f"/v1/orders/{placed['order_id']}/cancel").ok()
    assert state(shopper, coupon) == "unused"
    order(shopper, sku, PRICE - 500, coupon_ids=[coupon]).ok(201)


@pytest.mark.parametrize(("returns", "after"), [(True, "unused"), (False, "used")])
def test_refunded_whole_it_comes_back_where_its_template_lets_it(
    returns: bool, after: str, shopper: Shopper, operator: Operator, sku: str
) -> None:
    coupon = claim(shopper, template(operator, returns=returns))
    placed = order(shopper, sku, 2 * PRICE - 500, quantity=2, coupon_ids=[coupon]).ok(201)
    pay(shopper, placed["order_id"])
    first = shopper.refund(placed["order_id"], [(sku, 1)])
    assert (first["amount_fen"], state(shopper, coupon)) == (PRICE - 250, "used")
    rest = shopper.refund(placed["order_id"])
    assert (rest["amount_fen"], state(shopper, coupon)) == (PRICE - 250, after)
    assert shopper.order(placed["order_id"])["state"] == "closed"


def test_another_member_s_coupon_is_not_there(shopper: Shopper, operator: Operator, sku: str, sandbox: str) -> None:
    coupon = claim(Shopper.arrive(operator.send, Sandbox(sandbox)), template(operator))
    refusals = [
        order(shopper, sku, PRICE - 500, coupon_ids=[wrong]).refused(404, "not_found") for wrong in (coupon, "k" * 20)
    ]
    assert [one["errors"] for one in refusals] == [refusals[0]["errors"]] * 2
    assert refusals[0]["errors"][0]["field"] == "coupon_ids[0]"


def test_a_coupon_that_does_not_fit_says_why(shopper: Shopper, operator: Operator, sku: str) -> None:
    other = operator.product(stock=1)["product_id"]
    high = claim(shopper, template(operator, threshold_fen=PRICE + 1))
    elsewhere = claim(shopper, template(operator, scope={"products": [other]}))
    unusable = {one["coupon_id"]: one["why"] for one in quote(shopper, sku)["unusable_coupons"]}
    assert unusable == {high: "threshold", elsewhere: "scope"}
    refusal = order(shopper, sku, PRICE, coupon_ids=[high]).refused(422, "coupon_unusable")
    assert (refusal["why"], refusal["errors"][0]["field"]) == ("threshold", "coupon_ids[0]")


def test_an_expired_coupon_is_no_use_and_one_that_expires_in_a_placed_order_is_used_all_the_same(
    shopper: Shopper, operator: Operator, sku: str, mall_clock: LocalClock
) -> None:
    template_id = template(operator, valid={"days": 1})
    late, early = claim(shopper, template_id), claim(shopper, template_id)
    mall_clock.advance(86400 - 300)
    placed = order(shopper, sku, PRICE - 500, coupon_ids=[early]).ok(201)
    mall_clock.advance(301)
    order(shopper, sku, PRICE - 500, coupon_ids=[late]).refused(422, "coupon_unusable")
    pay(shopper, placed["order_id"])
    assert (state(shopper, early), state(shopper, late)) == ("used", "expired")


def test_one_for_the_freight_and_two_for_the_goods_and_none_twice(
    shopper: Shopper, operator: Operator, sku: str
) -> None:
    main, extra = claim(shopper, template(operator)), claim(shopper, template(operator, stacking="extra"))
    both = quote(shopper, sku, coupon_ids=[main, extra])
    assert both["payable_fen"] == PRICE - 1000
    assert quote(shopper, sku, coupon_ids=[extra, main])["payable_fen"] == PRICE - 1000
    second = claim(shopper, template(operator))
    refusal = order(shopper, sku, PRICE - 1000, coupon_ids=[main, second]).refused(422, "coupon_unusable")
    assert refusal["why"] == "combination"


def test_the_audit_names_a_coupon_that_is_not_where_its_order_says(
    shopper: Shopper, operator: Operator, sku: str
) -> None:
    from chalicelib.commerce.coupons.checks import Use
    from chalicelib.commerce.coupons.tables import coupon_key, held
    from chalicelib.commerce.orders.checks import audit_coupons, coupon_uses
    from chalicelib.commerce.orders.queries import load
    from chalicelib.platform.store import read

    coupon = claim(shopper, template(operator))

    def now() -> list[str]:
        item = read.batch_get([coupon_key(shopper.member_id, coupon)])[0]
        return [one.what for one in audit_coupons([load(order_id)], [held(item)])]

    order_id = order(shopper, sku, PRICE - 500, coupon_ids=[coupon]).ok(201)["order_id"]
    assert now() == []
    pay(shopper, order_id)
    assert now() == []
    paid = load(order_id)
    item = read.batch_get([coupon_key(shopper.member_id, coupon)])[0]
    assert coupon_uses([paid], [held(item)]) == {coupon: Use(500, PRICE - 500)}
    assert coupon_uses([], [held(item)]) == {}
    assert len(audit_coupons([], [held(item)])) == 1
    assert len(audit_coupons([paid], [])) == 1
    shopper.refund(order_id)
    assert now() == []
    assert coupon_uses([load(order_id)], [held(read.batch_get([coupon_key(shopper.member_id, coupon)])[0])]) == {}
    assert len(audit_coupons([paid], [held(read.batch_get([coupon_key(shopper.member_id, coupon)])[0])])) == 1


def joined_with_a_coupon(shopper: Shopper, operator: Operator, activity: Any) -> tuple[Shopper, str, str, str]:
    """The shopper has joined, with a coupon, a lobby that somebody has paid for: who, their order, the coupon, and the
    shopper's order."""
    sku = activity["prices"][0]["sku_id"]
    leader = Shopper.arrive(operator.send, shopper.sandbox)
    lead = leader.take_seat(sku, activity_id=activity["activity_id"], size=2).ok(201)
    pay(leader, lead["order_id"])
    coupon = claim(shopper, template(operator))
    lobby = {"lobby_id": lead["group"]["lobby_id"]}
    joined = order(shopper, sku, PRICE - 500, coupon_ids=[coupon], group=lobby).ok(201)["order_id"]
    return leader, lead["order_id"], coupon, joined


def test_a_seat_paid_when_its_lobby_is_over_gives_back_the_money_and_the_coupon(
    shopper: Shopper, operator: Operator
) -> None:
    activity = operator.group_activity({2: PRICE})
    sku = activity["prices"][0]["sku_id"]
    leader, lead, coupon, joined = joined_with_a_coupon(shopper, operator, activity)
    payment = shopper.start_payment(joined)
    leader.refund(lead)  # the last who had paid: the lobby has failed
    shopper.sandbox.pay(payment, notify="none")
    shopper.send(*payment_callback(shopper.sandbox, joined)).ok()
    ended = shopper.order(joined)
    assert (ended["state"], ended["paid_fen"], ended["group"]["seat_state"]) == ("closed", PRICE - 500, "released")
    assert [refund["amount_fen"] for refund in ended["refunds"]] == [PRICE - 500]
    assert state(shopper, coupon) == "unused"
    entries = operator.get(f"/v1/admin/orders/{joined}/ledger").ok()["entries"]
    money: Counter[str] = Counter()
    for entry in entries:
        money.update({leg["account"]: leg["amount_fen"] for leg in entry["postings"]})
    assert {account: fen for account, fen in money.items() if fen} == {
        "wechat": PRICE - 500, "refunds:owed": 500 - PRICE,
    }  # fmt: skip
    other = {"activity_id": activity["activity_id"], "size": 2}
    again = order(shopper, sku, PRICE - 500, coupon_ids=[coupon], group=other)
    assert again.ok(201)["coupons"] == [{"coupon_id": coupon, "discount_fen": 500}]


def test_a_seat_paid_late_is_taken_with_its_coupon_and_under_the_limit_when_an_operator_asks_wechat(
    shopper: Shopper, operator: Operator
) -> None:
    activity = operator.group_activity({2: PRICE}, product=operator.product(price_fen=PRICE, limit_per_member=1))
    sku = activity["prices"][0]["sku_id"]
    _, _, coupon, joined = joined_with_a_coupon(shopper, operator, activity)
    shopper.sandbox.pay(shopper.start_payment(joined), notify="none")
    closing._close(find(joined), "closed_unpaid", "system")  # as when WeChat has not heard of the payment yet
    assert state(shopper, coupon) == "unused"
    operator.post(f"/v1/admin/orders/{joined}/ask-wechat").ok()
    seated = shopper.order(joined)
    assert (seated["paid_fen"], seated["group"]["seat_state"]) == (PRICE - 500, "taken")
    assert "paid_late" in [event["what"] for event in seated["history"]]
    assert state(shopper, coupon) == "used"
    one = {"lines": [{"sku_id": sku, "quantity": 1}], "address_id": shopper.address_id}
    shopper.post("/v1/orders", one | {"expected_payable_fen": PRICE}, key="more").refused(422, "purchase_limit")
