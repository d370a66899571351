"""The crash sweep over refunds: whole and in part, before and after shipping, two at once, and those whose rest loses
the conditions of its prices; struck as those of test_crash_sweep.py are."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import Any

from local.client import Client
from tests.support.operators import second_token
from tests.support.purchases import DEAR_TOTAL, LOST, SIX, TO_SHIP, TOTAL, Flow, Purchase
from tests.support.sweep import struck_again_and_again, struck_once


def _refund(lines: list[int] | None) -> Callable[[Purchase], None]:
    def act(world: Purchase) -> None:
        world.key = world.key or secrets.token_hex(8)
        body: dict[str, Any] = {"reason": "不想要了"}
        if lines is not None:
            body["lines"] = [{"sku_id": world.lines[i][0], "quantity": 1} for i in lines]
        world.shopper.post(f"/v1/orders/{world.order_id}/refunds", body, key=world.key)
        world.run_jobs()

    return act


def _asked_back(world: Purchase) -> None:
    world.shipped()
    body = {"reason": "破损", "lines": [{"sku_id": world.lines[1][0], "quantity": 2}]}
    answer = world.shopper.post(f"/v1/orders/{world.order_id}/refunds", body, key="k").ok(202)
    assert answer["state"] == "requested"
    world.key = answer["refund_id"]


def _loses_its_condition(conditions_lost: str) -> Callable[[Purchase], None]:
    """Before shipping six pieces are to go back without which the rest does not cost enough: the order is paid."""

    def before(world: Purchase) -> None:
        world.operator.put("/v1/admin/settings/orders", {"conditions_lost": conditions_lost}).ok()
        world.paid()

    return before


def _six(world: Purchase) -> None:
    body = {"reason": "不想要了", "lines": [{"sku_id": world.lines[1][0], "quantity": 6}]}
    world.shopper.post(f"/v1/orders/{world.order_id}/refunds", body, key="six")
    world.run_jobs()


def _six_again(world: Purchase) -> None:
    _six(world)
    assert [one["state"] for one in world.shopper.order(world.order_id)["refunds"]] == ["requested"]
    _six_asked(world)
    _approve(world)


def _six_asked(world: Purchase) -> None:
    (refund,) = world.shopper.order(world.order_id)["refunds"]
    assert refund["requested_because"] == "promotion_condition"
    world.key = refund["refund_id"]


def _six_to_decide(world: Purchase) -> None:
    _loses_its_condition("review")(world)
    _six(world)
    _six_asked(world)


def _approve(world: Purchase) -> None:
    path = f"/v1/admin/orders/{world.order_id}/refunds/{world.key}/approve"
    world.operator.post(path, {"restock": True})
    world.run_jobs()


def _second_is_wanted(world: Purchase) -> None:
    """Two pieces are asked back of an order that was sent, which is above what one operator may give back."""
    world.operator.put("/v1/admin/settings/orders", {"second_operator_above_fen": 100}).ok()
    second_token()  # who that is was there before anything is struck
    _asked_back(world)


def _both_approve(world: Purchase) -> None:
    """Each of two operators presses once; who had pressed before is refused, and nothing is paid twice."""
    path = f"/v1/admin/orders/{world.order_id}/refunds/{world.key}/approve"
    for operator in (world.operator, Client(world.send, second_token())):
        operator.post(path, {"restock": True})
    world.run_jobs()


def _two_refunds(world: Purchase) -> None:
    body = {"reason": "不想要了", "lines": [{"sku_id": world.lines[1][0], "quantity": 1}]}
    for key in ("first", "second"):
        world.shopper.post(f"/v1/orders/{world.order_id}/refunds", body, key=key)
    world.run_jobs()


def _a_minute_later(world: Purchase) -> None:
    world.run_jobs(advance=61)


def _one_of_two_asked_for(world: Purchase) -> None:
    world.paid()
    _two_refunds(world)


def _nothing(world: Purchase) -> None:
    pass


FLOWS = [
    Flow("refund whole", Purchase.paid, _refund(None), _refund(None), "closed", TOTAL, TOTAL, (0, 0)),
    Flow("refund part", Purchase.paid, _refund([1]), _refund([1]), TO_SHIP, TOTAL, 899 // 3, (1, 2)),
    Flow("two refunds at once", Purchase.paid, _two_refunds, _two_refunds, TO_SHIP, TOTAL, 2 * 899 // 3, (1, 1), 2),
    Flow(
        "the second of two refunds",
        _one_of_two_asked_for,
        _a_minute_later,
        _nothing,
        TO_SHIP,
        TOTAL,
        2 * 899 // 3,
        (1, 1),
        2,
    ),
    Flow(
        "refund that two operators agree on",
        _second_is_wanted,
        _both_approve,
        _both_approve,
        "shipped",
        TOTAL,
        2 * 899 // 3,
        (1, 1),
    ),
    Flow("refund after shipping", _asked_back, _approve, _approve, "shipped", TOTAL, 2 * 899 // 3, (1, 1)),
    Flow(
        "refund less the difference",
        _loses_its_condition("deduct"),
        _six,
        _six,
        TO_SHIP,
        DEAR_TOTAL,
        SIX - LOST,
        (1, 3),
        is_dear=True,
    ),
    Flow(
        "ask for what loses its condition",
        _loses_its_condition("review"),
        _six,
        _six_again,
        TO_SHIP,
        DEAR_TOTAL,
        SIX,
        (1, 3),
        is_dear=True,
    ),
    Flow(
        "grant what loses its condition",
        _six_to_decide,
        _approve,
        _approve,
        TO_SHIP,
        DEAR_TOTAL,
        SIX,
        (1, 3),
        is_dear=True,
    ),
]


test_wherever_a_refund_is_struck_the_mall_heals = struck_once(FLOWS, "purchase_sweep")
test_when_every_call_fails_at_first_the_refund_comes = struck_again_and_again(FLOWS, "purchase_sweep")
