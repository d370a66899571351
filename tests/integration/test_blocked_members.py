"""A member whom an operator has blocked shops and holds nothing, and keeps all that is theirs."""

from __future__ import annotations

import secrets
from typing import Any

import pytest

from local.client import Answer, Operator, Sandbox, Shopper, coupon_template
from local.clock import LocalClock
from local.notices import payment_callback
from tests.support.distribution import run_jobs
from tests.support.groups import sku_of


@pytest.fixture
def sku(operator: Operator) -> str:
    sku_id: str = operator.product(price_fen=1000)["skus"][0]["sku_id"]
    return sku_id


def block(operator: Operator, shopper: Shopper, reason: str = "恶意占用库存") -> Any:
    """Block them; they log in anew."""
    told = operator.post(f"/v1/admin/members/{shopper.member_id}/block", {"reason": reason}).ok()
    shopper.log_in()
    return told


def unblock(operator: Operator, shopper: Shopper) -> Any:
    return operator.post(f"/v1/admin/members/{shopper.member_id}/unblock").ok()


def wishes(operator: Operator, shopper: Shopper, sku: str) -> dict[str, Any]:
    """All that a blocked member may not do, each as a call; they have a code."""
    terms = coupon_template(how=["claim", "code", "share"], share_limit=1)
    template_id = operator.post("/v1/admin/coupon-templates", terms).ok(201)["template_id"]
    batch = operator.post(f"/v1/admin/coupon-templates/{template_id}/codes", {"count": 1}).ok(201)
    activity = operator.group_activity({2: 900})
    body = shopper.order_body([(sku, 1)])
    friend = Shopper.arrive(operator.send, Sandbox(shopper.sandbox.url))
    lead = friend.take_seat(sku_of(activity), activity_id=activity["activity_id"]).ok(201)
    friend.sandbox.pay(friend.start_payment(lead["order_id"]), notify="none")
    friend.send(*payment_callback(friend.sandbox, lead["order_id"])).ok()
    shared = friend.post("/v1/me/coupons/share", {"template_id": template_id}).ok()["share_token"]
    opens = {"activity_id": activity["activity_id"], "payable_fen": 900}
    joins = {"lobby_id": lead["group"]["lobby_id"], "payable_fen": 900}
    return {
        "order": lambda: shopper.post("/v1/orders", body, key=secrets.token_hex(8)),
        "put into the cart": lambda: shopper.put(f"/v1/cart/lines/{sku}", {"quantity": 1}),
        "take out of the cart": lambda: shopper.delete(f"/v1/cart/lines/{sku}"),
        "claim": lambda: shopper.post(f"/v1/coupon-templates/{template_id}/claim"),
        "claim a friend's": lambda: shopper.post(
            f"/v1/coupon-templates/{template_id}/claim", {"share_token": shared}
        ),
        "redeem": lambda: shopper.post("/v1/coupon-codes/redeem", {"code": batch["codes"][0]}),
        "share": lambda: shopper.post("/v1/me/coupons/share", {"template_id": template_id}),
        "open a lobby": lambda: shopper.take_seat(sku_of(activity), **opens),
        "join a lobby": lambda: shopper.take_seat(sku_of(activity), **joins),
    }  # fmt: skip


def test_a_blocked_member_shops_and_holds_nothing_until_that_is_lifted(
    operator: Operator, shopper: Shopper, sku: str
) -> None:
    calls = wishes(operator, shopper, sku)
    told = block(operator, shopper)
    assert (told["member_id"], told["blocked"]["reason"]) == (shopper.member_id, "恶意占用库存")
    answers: dict[str, Answer] = {name: call() for name, call in calls.items()}
    assert {name: (one.status, one.json["code"]) for name, one in answers.items()} == dict.fromkeys(
        calls, (403, "member_blocked")
    )
    assert block(operator, shopper) == told
    assert block(operator, shopper, "another")["blocked"]["reason"] == "another"
    assert unblock(operator, shopper) == unblock(operator, shopper) == {"member_id": shopper.member_id, "blocked": None}
    allowed = {name: call().status for name, call in calls.items() if name != "claim a friend's"}
    assert set(allowed.values()) <= {200, 201, 409}, allowed  # one coupon each: the second way to it is refused


def test_what_was_bought_before_is_received_refunded_exported_and_forgotten(
    operator: Operator, shopper: Shopper, sku: str
) -> None:
    sent, kept, body = shopper.place([(sku, 1)]), shopper.place([(sku, 1)]), shopper.order_body([(sku, 1)])
    again = shopper.post("/v1/orders", body, key="again").ok(201)
    for order in (sent, kept):
        shopper.sandbox.pay(shopper.start_payment(order["order_id"]), notify="none")
        shopper.send(*payment_callback(shopper.sandbox, order["order_id"])).ok()
    operator.ship(sent["order_id"])
    block(operator, shopper)
    assert shopper.post("/v1/orders", body, key="again").ok(201) == again  # it was placed before
    assert shopper.quote([(sku, 1)])["payable_fen"] == 1000
    run_jobs()
    assert shopper.post(f"/v1/orders/{again['order_id']}/cancel").ok()["state"] == "closed"
    shopper.post(f"/v1/orders/{sent['order_id']}/receive").ok()
    shopper.refund(kept["order_id"])
    assert shopper.post(f"/v1/orders/{sent['order_id']}/payment").ok() == {"paid": True}
    shopper.get("/v1/cart").ok()
    (profile,) = shopper.get("/v1/me/export").ok()["sections"]["profile"]
    assert profile["blocked"]["reason"] == "恶意占用库存"
    refund = shopper.refund(sent["order_id"])["refund_id"]
    operator.post(f"/v1/admin/orders/{sent['order_id']}/refunds/{refund}/approve", {"restock": True}).ok()
    shopper.leave().ok(204)
    operator.post(f"/v1/admin/members/{shopper.member_id}/unblock").refused(404, "not_found")


def test_what_they_hold_unpaid_is_free_for_others_at_once(operator: Operator, shopper: Shopper, sku: str) -> None:
    activity = operator.group_activity({2: 900})
    begun, unbegun = (shopper.place([(sku, 3)])["order_id"] for _ in range(2))
    seat = shopper.take_seat(sku_of(activity), activity_id=activity["activity_id"], payable_fen=900).ok(201)["order_id"]
    free = operator.product(price_fen=0)["skus"][0]["sku_id"]
    gift = shopper.place([(free, 1)])["order_id"]
    shopper.start_payment(begun)
    available, held = operator.stock(sku)
    block(operator, shopper)
    run_jobs()
    for order_id in (begun, unbegun, seat, gift):
        order = shopper.order(order_id)
        assert (order["state"], order["history"][-1]["what"]) == ("closed", "called_off")
        shopper.post(f"/v1/orders/{order_id}/payment").refused(409, "order_state")
    assert operator.stock(sku) == (available + 6, held - 6)
    other = Shopper.arrive(operator.send, Sandbox(shopper.sandbox.url))
    other.take_seat(sku_of(activity), activity_id=activity["activity_id"], payable_fen=900).ok(201)
    unblock(operator, shopper)
    for _ in range(6):  # the mall called those off, not they: they may have as many as others
        shopper.place([(sku, 1)])


def test_a_block_that_is_lifted_takes_nothing_of_what_is_ordered_after_it(
    operator: Operator, shopper: Shopper, sku: str, mall_clock: LocalClock
) -> None:
    before = shopper.place([(sku, 1)])["order_id"]
    block(operator, shopper)
    unblock(operator, shopper)
    run_jobs()
    assert shopper.order(before)["state"] == "awaiting_payment"
    mall_clock.advance(1)
    block(operator, shopper)
    unblock(operator, shopper)
    mall_clock.advance(1)
    after = shopper.place([(sku, 1)])["order_id"]
    mall_clock.advance(1)
    block(operator, shopper, "once more")  # of which the job of the first block learns, too
    run_jobs()
    assert [shopper.order(order_id)["state"] for order_id in (before, after)] == ["closed", "closed"]


def test_who_leaves_and_comes_back_is_blocked_still_until_that_is_lifted(
    operator: Operator, shopper: Shopper, sku: str
) -> None:
    for is_blocked in (True, True, False):
        if is_blocked:
            block(operator, shopper)
        else:
            unblock(operator, shopper)
        shopper.leave().ok(204)
        run_jobs()
        back = Shopper.arrive(operator.send, shopper.sandbox, user=shopper.user)
        body = back.order_body([(sku, 1)])
        answer = back.post("/v1/orders", body, key=secrets.token_hex(8))
        assert (answer.status, back.member_id == shopper.member_id) == (403 if is_blocked else 201, False)
        shopper = back


def test_what_was_paid_stays_and_what_wechat_does_not_decide_is_watched(
    operator: Operator, shopper: Shopper, sku: str, mall_clock: LocalClock
) -> None:
    strange, paid, other = (shopper.place([(sku, 1)])["order_id"] for _ in range(3))
    for order_id in (strange, paid):
        prepay_id = shopper.start_payment(order_id)
    shopper.sandbox.pay(prepay_id, notify="none")
    shopper.sandbox.fault(f"/out-trade-no/{strange}/close", "error", times=9, code="SOME_NEW_WORD")
    block(operator, shopper)
    run_jobs()
    states = [shopper.order(order_id)["state"] for order_id in (strange, paid, other)]
    assert states == ["awaiting_payment", "awaiting_shipment", "closed"]
    mall_clock.advance(17 * 60)
    run_jobs()
    assert shopper.order(strange)["state"] == "closed"


def test_what_happened_is_in_the_log_of_operators(operator: Operator, shopper: Shopper) -> None:
    block(operator, shopper, "因为")
    entries = operator.get("/v1/admin/audit").ok()["items"]
    entry = next(one for one in entries if one["parameters"].get("member_id") == shopper.member_id)
    assert (entry["permission"], "因为" in entry["body"]) == ("members.block", False)
    operator.post("/v1/admin/members/m-nobody/block", {"reason": "x"}).refused(404, "not_found")
    operator.post(f"/v1/admin/members/{shopper.member_id}/block", {"reason": ""}).refused(400, "malformed")
