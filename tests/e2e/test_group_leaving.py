"""Leaving a lottery over a whole activity: until it is drawn the money is the shopper's to ask back, whole and at once.

And how long such a lottery may run at all: no longer than WeChat refunds what was paid into it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from local.client import Client as Visitor
from local.client import Control, Operator, Sandbox, Shopper, Transport, offered, poll
from tests.e2e.test_group_draws import check, draw_of
from tests.e2e.test_refunds import ledger, paid_out
from tests.support.groups import Activity, Arrive, Seated, agree, fill, seat, settled, sku_of

PRICE = 9900
DAY = 86_400
ADMIN = "/v1/admin/group-activities"
WHY = {"reason": "不等了"}
OF_ALL = {"winners": 2, "per": "activity"}


def lottery(operator: Operator, control: Control, seconds: float = 3600, **more: Any) -> Activity:
    """One that is drawn over all who sat in full lobbies of two, in so many seconds."""
    made: Activity = operator.group_activity(
        {2: PRICE}, kind="lottery", lottery=OF_ALL, ends_at=control.at(seconds), **more
    )
    return made


def drawn(activity: Activity, control: Control, visitor: Visitor) -> Any:
    """The proof of the draw, once the activity is over."""
    control.run_jobs(advance=3600)
    poll(lambda: control.run_jobs(advance=301) >= 0 and "secret" in visitor.get(draw_of(activity)).ok())
    return visitor.get(draw_of(activity)).ok()


def ask_back(asks: str, who: Shopper, operator: Operator, order_id: str, **body: Any) -> Any:
    """The member or an operator wants it refunded."""
    if asks == "member":
        return who.post(f"/v1/orders/{order_id}/refunds", WHY | body, key="back")
    return operator.post(f"/v1/admin/orders/{order_id}/refunds", WHY | body, key=f"back-{order_id}")


@pytest.mark.parametrize("asks", ["member", "operator"])
@pytest.mark.parametrize("entered", [True, False])
def test_who_waits_for_a_draw_gets_all_of_their_money_back_when_they_ask(
    asks: str, entered: bool, operator: Operator, arrive: Arrive, control: Control, wechat: Sandbox, send: Transport,
    differences: Callable[[], list[str]],
) -> None:  # fmt: skip
    """Whether the order has been entered or its lobby has only just filled; and the others are drawn without it."""
    activity = lottery(operator, control, limit_per_member=2)
    lobbies: list[list[Seated]] = []
    for _ in range(2):
        lobbies.append(fill(activity, arrive, 1))
        if entered:
            control.run_jobs()
        last = arrive()
        lobbies[-1].append((last, last.join_lobby(lobbies[-1][0][1], quantity=2)))
    if entered:
        control.run_jobs()
    paid = [*lobbies[0], *lobbies[1]]
    leaver, order = paid[1]
    order_id = order["order_id"]
    part = {"lines": [{"sku_id": sku_of(activity), "quantity": 1}]}
    refusal = ask_back(asks, leaver, operator, order_id, **part).refused(422, "invalid")
    assert refusal["errors"][0]["code"] == "whole_while_lobby_open"

    refund = ask_back(asks, leaver, operator, order_id).ok(202)
    assert (refund["state"], refund["amount_fen"]) == ("approved", 2 * PRICE)
    assert ask_back(asks, leaver, operator, order_id).ok(202) == refund, "pressed twice"
    (done,) = settled(control, [(leaver, order)])
    assert (seat(done), done["refunded_fen"]) == (("closed", "failed"), 2 * PRICE)
    assert [fen for _, fen in paid_out(wechat, order_id)] == [2 * PRICE]
    assert ledger(operator, order_id) == {}
    assert operator.stock(sku_of(activity)) == (96, 4), "its pieces are on sale again"
    assert leaver.open_lobby(activity, quantity=2)["state"] == "awaiting_group", "and count no more for the limit"

    proof = drawn(activity, control, Visitor(send))
    stays = [one for one in paid if one[1] is not order]
    won = check(proof, activity["rules"]["secret_hash"], stays, 2)
    for one in settled(control, stays):
        assert one["group"]["seat_state"] == ("won" if one["order_id"] in won else "lost")
    agree(differences)


def test_a_coupon_comes_back_with_the_order_and_the_account_can_be_deleted(
    operator: Operator, arrive: Arrive, control: Control
) -> None:
    activity = lottery(operator, control)
    template = {
        "name": "五元券", "kind": "amount_off", "amount_fen": 500, "threshold_fen": 2000, "total": 10,
        "limit_per_member": 1, "valid": {"days": 7}, "how": ["claim"],
    }  # fmt: skip
    template_id = operator.post("/v1/admin/coupon-templates", template).ok(201)["template_id"]
    who = arrive()
    coupon_id = who.post(f"/v1/coupon-templates/{template_id}/claim", key="c").ok(201)["coupon_id"]
    ((_, lead),) = fill(activity, arrive, 1)
    body = {
        "lines": [{"sku_id": sku_of(activity), "quantity": 1}], "address_id": who.address_id,
        "expected_payable_fen": PRICE - 500, "coupon_ids": [coupon_id],
        "group": {"lobby_id": lead["group"]["lobby_id"]},
    }  # fmt: skip
    order_id = who.post("/v1/orders", body, key="o").ok(201)["order_id"]
    who.pay(order_id)
    control.run_jobs()
    assert who.get("/v1/me/coupons?state=unused").ok()["items"] == []
    who.leave().refused(409, "account_open")
    assert who.refund(order_id)["amount_fen"] == PRICE - 500
    assert [one["coupon_id"] for one in who.get("/v1/me/coupons?state=unused").ok()["items"]] == [coupon_id]
    settled(control, [(who, {"order_id": order_id})])
    assert who.leave().status in (200, 204)


def test_after_the_draw_nothing_is_taken_out_of_it(
    operator: Operator, arrive: Arrive, control: Control, send: Transport
) -> None:
    activity = lottery(operator, control)
    paid = fill(activity, arrive, 2)
    proof = drawn(activity, control, Visitor(send))
    for done in settled(control, paid):
        assert (done["state"], done["group"]["seat_state"]) == ("awaiting_shipment", "won")
    control.run_jobs(advance=DAY)
    assert Visitor(send).get(draw_of(activity)).ok() == proof


# How long it may run


def test_a_lottery_over_an_activity_ends_within_300_days_and_says_so_in_both_languages(
    operator: Operator, control: Control
) -> None:
    product = operator.product(stock=10)
    body = {
        "product_id": product["product_id"], "kind": "lottery", "sizes": [2], "lottery": OF_ALL,
        "prices": offered(product["skus"][0]["sku_id"], {2: PRICE}), "starts_at": "2020-01-01T00:00:00Z",
    }  # fmt: skip
    for ends_at in ("2099-01-01T00:00:00Z", control.at(366 * DAY), control.at(300 * DAY + 60)):
        refusal = operator.post(ADMIN, body | {"ends_at": ends_at}).refused(422, "invalid")
        (error,) = refusal["errors"]
        assert (error["field"], error["code"], error["days"]) == ("ends_at", "draw_too_late", 300)
        assert "300 天" in error["message"]
    english = operator.call("POST", ADMIN, body | {"ends_at": ends_at}, Accept_Language="en").refused(422, "invalid")
    assert "within 300 days" in english["errors"][0]["message"]

    later = body | {"starts_at": control.at(400 * DAY), "ends_at": control.at(699 * DAY)}
    made = operator.post(ADMIN, later).ok(201)
    path = f"{ADMIN}/{made['activity_id']}"
    too_late = operator.put(path, later | {"ends_at": control.at(701 * DAY)}).refused(422, "invalid")
    assert [error["field"] for error in too_late["errors"]] == ["ends_at"]
    by_lobby = later | {"lottery": {"winners": 1}, "ends_at": "2099-01-01T00:00:00Z"}
    assert operator.put(path, by_lobby).ok()["lottery"]["per"] == "lobby", "lobbies end by themselves"
    operator.put(path, by_lobby | {"lottery": OF_ALL}).refused(422, "invalid")
