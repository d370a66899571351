"""The crash sweep over purchases: ordering, paying, cancelling, closing by time and by a block, shipping.

Each flow with a fault at its k-th call that may change something (to DynamoDB or to WeChat) for every k: the process
dies before it or after it, or its answer is lost; and once with every call failing at first: it never arrives, or
DynamoDB refuses it.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable

from local.notices import payment_callback
from tests.support.purchases import TO_SHIP, TOTAL, Flow, Purchase
from tests.support.sweep import struck_again_and_again, struck_once


def _prepare_order(world: Purchase) -> None:
    world.key = secrets.token_hex(8)
    world.body = world.order_body()


def _place(world: Purchase) -> None:
    world.shopper.post("/v1/orders", world.body, key=world.key)


def _place_again(world: Purchase) -> None:
    world.order_id = world.shopper.post("/v1/orders", world.body, key=world.key).ok(201)["order_id"]


def _paid_at_wechat(world: Purchase) -> None:
    world.place()
    world.pay_at_wechat()


def _callback(world: Purchase) -> None:
    world.send(*payment_callback(world.sandbox, world.order_id))


def _callback_again(world: Purchase) -> None:
    world.send(*payment_callback(world.sandbox, world.order_id)).ok()


def _callback_lost(world: Purchase) -> None:
    """WeChat does not come again; the watch over the order asks."""
    world.run_jobs(advance=130)


def _started(world: Purchase) -> None:
    world.place()
    world.shopper.start_payment(world.order_id)


def _cancel(world: Purchase) -> None:
    world.shopper.post(f"/v1/orders/{world.order_id}/cancel")


def _cancel_again(world: Purchase) -> None:
    assert world.shopper.post(f"/v1/orders/{world.order_id}/cancel").ok()["state"] == "closed"


def _deadline_over(world: Purchase) -> None:
    _started(world)
    world.clock.advance(16 * 60)


def _deadline_over_but_paid(world: Purchase) -> None:
    _paid_at_wechat(world)
    world.clock.advance(16 * 60)


def _wechat_over(world: Purchase) -> None:
    _started(world)
    world.clock.advance(16 * 60 + 11)


def _jobs(world: Purchase) -> None:
    world.run_jobs()


def _nothing(world: Purchase) -> None:
    pass


def _late(world: Purchase) -> None:
    """The order is closed here, by a fault at WeChat not there; then the shopper's payment arrives."""
    from chalicelib.commerce.orders.closing import service as closing

    _paid_at_wechat(world)
    order = world.shopper.order(world.order_id)
    assert order["state"] == "awaiting_payment"
    from chalicelib.commerce.orders.queries import find

    closing._close(find(world.order_id), "cancelled", "member")


def _nothing_comes(world: Purchase) -> None:
    """No callback: only the watch over the cancelled order can learn of the payment."""
    world.clock.advance(17 * 60)
    world.run_jobs()


def _grace_over(world: Purchase) -> None:
    world.run_jobs(advance=61)


def _check(world: Purchase) -> None:
    world.shopper.post(f"/v1/orders/{world.order_id}/payment/check")


def _check_again(world: Purchase) -> None:
    assert world.shopper.post(f"/v1/orders/{world.order_id}/payment/check").ok()["paid_fen"] == TOTAL


def _close_refused(before: Callable[[Purchase], None]) -> Callable[[Purchase], None]:
    """WeChat refuses, in a word that nobody knows, to close what it is asked to close."""

    def prepare(world: Purchase) -> None:
        before(world)
        path = f"/out-trade-no/{world.order_id}/close"
        world.sandbox.post("faults", {"path": path, "kind": "error", "code": "SOME_NEW_WORD", "times": 1_000})

    return prepare


def _ask_wechat(world: Purchase) -> None:
    world.operator.post(f"/v1/admin/orders/{world.order_id}/ask-wechat")


def _ship(world: Purchase) -> None:
    world.operator.post(f"/v1/admin/orders/{world.order_id}/ship", {"carrier": "SF", "tracking_no": "SF1"})
    world.run_jobs()


def _sent(world: Purchase) -> None:
    world.paid()
    _ship(world)


def _correct(world: Purchase) -> None:
    world.operator.put(f"/v1/admin/orders/{world.order_id}/shipments/1", {"carrier": "ZTO", "tracking_no": "ZT1"})
    world.run_jobs()


def _block(world: Purchase) -> None:
    world.operator.post(f"/v1/admin/members/{world.shopper.member_id}/block", {"reason": "stock"})
    world.run_jobs()


def _start(world: Purchase) -> None:
    world.shopper.post(f"/v1/orders/{world.order_id}/payment")


FLOWS = [
    Flow("place", _prepare_order, _place, _place_again, "awaiting_payment", 0, 0, (1, 3)),
    Flow("start payment", Purchase.place, lambda w: _start(w), lambda w: _start(w), "awaiting_payment", 0, 0, (1, 3)),
    Flow("pay, callback again", _paid_at_wechat, _callback, _callback_again, TO_SHIP, TOTAL, 0, (1, 3)),
    Flow("pay, callback lost", _paid_at_wechat, _callback, _callback_lost, TO_SHIP, TOTAL, 0, (1, 3)),
    Flow("pay, the shopper asks", _paid_at_wechat, _check, _check_again, TO_SHIP, TOTAL, 0, (1, 3)),
    Flow("pay when closed, the shopper asks", _late, _check, _check_again, "closed", TOTAL, TOTAL, (0, 0)),
    Flow("cancel", _started, _cancel, _cancel_again, "closed", 0, 0, (0, 0)),
    Flow("close by time", _deadline_over, _jobs, _nothing, "closed", 0, 0, (0, 0)),
    Flow("close by time, but paid", _deadline_over_but_paid, _jobs, _nothing, TO_SHIP, TOTAL, 0, (1, 3)),
    Flow("close refused", _close_refused(_deadline_over), _jobs, _grace_over, "closed", 0, 0, (0, 0)),
    Flow(
        "close refused, but paid", _close_refused(_deadline_over_but_paid), _jobs, _nothing, TO_SHIP, TOTAL, 0, (1, 3)
    ),
    Flow(
        "cancel refused, but paid", _close_refused(_paid_at_wechat), _cancel, _callback_lost, TO_SHIP, TOTAL, 0, (1, 3)
    ),
    Flow("an operator asks", _deadline_over_but_paid, _ask_wechat, _ask_wechat, TO_SHIP, TOTAL, 0, (1, 3)),
    Flow("an operator asks, unpaid", _wechat_over, _ask_wechat, _ask_wechat, "closed", 0, 0, (0, 0)),
    Flow("pay when closed", _late, _callback, _callback_again, "closed", TOTAL, TOTAL, (0, 0)),
    Flow("pay when cancelled, callback lost", _late, _nothing_comes, _grace_over, "closed", TOTAL, TOTAL, (0, 0)),
    Flow("block", _started, _block, _block, "closed", 0, 0, (0, 0)),
    Flow("block, but paid", _paid_at_wechat, _block, _block, TO_SHIP, TOTAL, 0, (1, 3)),
    Flow("ship", Purchase.paid, _ship, _ship, "shipped", TOTAL, 0, (1, 3)),
    Flow("correct a parcel", _sent, _correct, _correct, "shipped", TOTAL, 0, (1, 3)),
]


test_wherever_it_is_struck_the_mall_heals = struck_once(FLOWS, "purchase_sweep")
test_when_every_call_fails_at_first_the_mall_copes = struck_again_and_again(FLOWS, "purchase_sweep")
