"""The crash sweep: whatever call to the outside goes wrong, and however, the mall heals by itself.

A flow is run with a fault at its k-th call (to DynamoDB or to WeChat) for every k: the process dies before it or after
it, or its answer is lost; and once with every call failing at first: it never arrives, or DynamoDB refuses it. Then
the shopper tries again where a shopper would, the due jobs run until none is left, and everything must add up.
"""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import msgspec
import pytest

from local.clock import LocalClock
from tests.support.client import Operator, Sandbox, Shopper, Transport, in_process
from tests.support.operators import owner_token
from tests.support.outside import POINTS, WEATHER, Crash, Mode, Outside, boundary
from tests.support.wechat import payment_callback

STOCK = 1000


@dataclass
class World:
    """One shopper, one product with two SKUs (and how many of each were taken before), one order to be."""

    send: Transport
    sandbox: Sandbox
    clock: LocalClock
    shopper: Shopper
    operator: Operator
    lines: list[tuple[str, int]]
    taken: list[int]
    order_id: str = ""
    key: str = ""
    body: dict[str, Any] | None = None

    def run_jobs(self, advance: float = 0) -> None:
        from chalicelib.jobs import service as jobs

        self.clock.advance(advance)
        while jobs.run_due():
            pass

    def pay_at_wechat(self) -> None:
        self.sandbox.pay(self.shopper.start_payment(self.order_id), notify="none")

    def place(self) -> None:
        self.order_id = self.shopper.place(self.lines)["order_id"]

    def paid(self) -> None:
        self.place()
        self.pay_at_wechat()
        self.send(*payment_callback(self.sandbox, self.order_id)).ok()

    def shipped(self) -> None:
        self.paid()
        parcel = {"carrier": "SF", "tracking_no": f"SF{secrets.token_hex(5)}"}
        self.operator.post(f"/v1/admin/orders/{self.order_id}/ship", parcel).ok()


@pytest.fixture(scope="module")
def outside(sandbox: str) -> Iterator[Outside]:
    with boundary(ignore=lambda url: "/_control/" in url) as outside:
        yield outside


@pytest.fixture
def new_world(dynamodb: str, sandbox: str, mall_clock: LocalClock) -> Callable[[], World]:
    send = in_process()
    operator = Operator(send, owner_token())

    skus = [
        {"sku_code": f"{name}{secrets.token_hex(4)}", "specs": {"颜色": name}, "price_fen": price, "stock": STOCK}
        for name, price in (("a", 1999), ("b", 333))
    ]
    product = operator.product(skus=skus)
    lines = [(product["skus"][0]["sku_id"], 1), (product["skus"][1]["sku_id"], 3)]

    def make() -> World:
        shopper = Shopper.arrive(send, Sandbox(sandbox))
        taken = [stock.taken for stock in _stocks(lines)]
        world = World(send, Sandbox(sandbox), mall_clock, shopper, operator, lines, taken)
        world.run_jobs()
        return world

    return make


def _stocks(lines: list[tuple[str, int]]) -> list[Any]:
    from chalicelib.catalogue.tables import stock_key
    from chalicelib.orders.audit import Stock
    from chalicelib.store import read

    items = read.batch_get([stock_key(sku_id) for sku_id, _ in lines])
    return [
        Stock(sku_id, int(item.free), int(item.taken), int(item.supplied))
        for (sku_id, _), item in zip(lines, items, strict=True)
    ]


@dataclass
class Flow:
    """What is done before, what is done under fire, what people do about it, and how it must end."""

    name: str
    before: Callable[[World], None]
    act: Callable[[World], None]
    again: Callable[[World], None]
    state: str
    paid_fen: int
    refunded_fen: int
    taken: tuple[int, int]


def _prepare_order(world: World) -> None:
    world.key = secrets.token_hex(8)
    world.body = world.shopper.order_body(world.lines)


def _place(world: World) -> None:
    world.shopper.post("/v1/orders", world.body, key=world.key)


def _place_again(world: World) -> None:
    world.order_id = world.shopper.post("/v1/orders", world.body, key=world.key).ok(201)["order_id"]


def _paid_at_wechat(world: World) -> None:
    world.place()
    world.pay_at_wechat()


def _callback(world: World) -> None:
    world.send(*payment_callback(world.sandbox, world.order_id))


def _callback_again(world: World) -> None:
    world.send(*payment_callback(world.sandbox, world.order_id)).ok()


def _callback_lost(world: World) -> None:
    """WeChat does not come again; the watch over the order asks."""
    world.run_jobs(advance=130)


def _started(world: World) -> None:
    world.place()
    world.shopper.start_payment(world.order_id)


def _cancel(world: World) -> None:
    world.shopper.post(f"/v1/orders/{world.order_id}/cancel")


def _cancel_again(world: World) -> None:
    assert world.shopper.post(f"/v1/orders/{world.order_id}/cancel").ok()["state"] == "closed"


def _deadline_over(world: World) -> None:
    _started(world)
    world.clock.advance(16 * 60)


def _deadline_over_but_paid(world: World) -> None:
    _paid_at_wechat(world)
    world.clock.advance(16 * 60)


def _jobs(world: World) -> None:
    world.run_jobs()


def _nothing(world: World) -> None:
    pass


def _refund(lines: list[int] | None) -> Callable[[World], None]:
    def act(world: World) -> None:
        world.key = world.key or secrets.token_hex(8)
        body: dict[str, Any] = {"reason": "不想要了"}
        if lines is not None:
            body["lines"] = [{"sku_id": world.lines[i][0], "quantity": 1} for i in lines]
        world.shopper.post(f"/v1/orders/{world.order_id}/refunds", body, key=world.key)
        world.run_jobs()

    return act


def _asked_back(world: World) -> None:
    world.shipped()
    body = {"reason": "破损", "lines": [{"sku_id": world.lines[1][0], "quantity": 2}]}
    answer = world.shopper.post(f"/v1/orders/{world.order_id}/refunds", body, key="k").ok(202)
    assert answer["state"] == "requested"
    world.key = answer["refund_id"]


def _approve(world: World) -> None:
    path = f"/v1/admin/orders/{world.order_id}/refunds/{world.key}/approve"
    world.operator.post(path, {"restock": True})
    world.run_jobs()


def _late(world: World) -> None:
    """The order is closed here, by a fault at WeChat not there; then the shopper's payment arrives."""
    from chalicelib.orders import close

    _paid_at_wechat(world)
    order = world.shopper.order(world.order_id)
    assert order["state"] == "awaiting_payment"
    from chalicelib.orders.changes import find

    close._close(find(world.order_id), "cancelled", "member")


def _nothing_comes(world: World) -> None:
    """No callback: only the watch over the cancelled order can learn of the payment."""
    world.clock.advance(17 * 60)
    world.run_jobs()


def _grace_over(world: World) -> None:
    world.run_jobs(advance=61)


def _ship(world: World) -> None:
    world.operator.post(f"/v1/admin/orders/{world.order_id}/ship", {"carrier": "SF", "tracking_no": "SF1"})
    world.run_jobs()


TOTAL = 1999 + 3 * 333

FLOWS = [
    Flow("place", _prepare_order, _place, _place_again, "awaiting_payment", 0, 0, (1, 3)),
    Flow("start payment", World.place, lambda w: _start(w), lambda w: _start(w), "awaiting_payment", 0, 0, (1, 3)),
    Flow("pay, callback again", _paid_at_wechat, _callback, _callback_again, "awaiting_shipment", TOTAL, 0, (1, 3)),
    Flow("pay, callback lost", _paid_at_wechat, _callback, _callback_lost, "awaiting_shipment", TOTAL, 0, (1, 3)),
    Flow("cancel", _started, _cancel, _cancel_again, "closed", 0, 0, (0, 0)),
    Flow("close by time", _deadline_over, _jobs, _nothing, "closed", 0, 0, (0, 0)),
    Flow("close by time, but paid", _deadline_over_but_paid, _jobs, _nothing, "awaiting_shipment", TOTAL, 0, (1, 3)),
    Flow("pay when closed", _late, _callback, _callback_again, "closed", TOTAL, TOTAL, (0, 0)),
    Flow("pay when cancelled, callback lost", _late, _nothing_comes, _grace_over, "closed", TOTAL, TOTAL, (0, 0)),
    Flow("refund whole", World.paid, _refund(None), _refund(None), "closed", TOTAL, TOTAL, (0, 0)),
    Flow("refund part", World.paid, _refund([1]), _refund([1]), "awaiting_shipment", TOTAL, 333, (1, 2)),
    Flow("refund after shipping", _asked_back, _approve, _approve, "shipped", TOTAL, 666, (1, 1)),
    Flow("ship", World.paid, _ship, _ship, "shipped", TOTAL, 0, (1, 3)),
]


def _start(world: World) -> None:
    world.shopper.post(f"/v1/orders/{world.order_id}/payment")


@pytest.mark.parametrize("mode", POINTS)
@pytest.mark.parametrize("flow", FLOWS, ids=lambda flow: flow.name)
def test_wherever_it_is_struck_the_mall_heals(
    flow: Flow,
    mode: Mode,
    new_world: Callable[[], World],
    outside: Outside,
    record_property: Callable[[str, object], None],
) -> None:
    points = 0
    while _run(flow, mode, points + 1, new_world(), outside):
        points += 1
    assert points >= 2
    record_property("crash points", points)


@pytest.mark.parametrize("mode", WEATHER)
@pytest.mark.parametrize("flow", FLOWS, ids=lambda flow: flow.name)
def test_when_every_call_fails_at_first_the_mall_copes(
    flow: Flow, mode: Mode, new_world: Callable[[], World], outside: Outside
) -> None:
    assert _run(flow, mode, None, new_world(), outside)


def _run(flow: Flow, mode: Mode, at: int | None, world: World, outside: Outside) -> bool:
    """Play the flow with this fault, let everything heal, and check how it ended; whether the fault struck at all."""
    flow.before(world)
    outside.arm(at, mode)
    with contextlib.suppress(Crash):
        flow.act(world)
    calls, struck = list(outside.calls), outside.struck
    outside.disarm()
    try:
        flow.again(world)
        world.run_jobs()
        world.run_jobs(advance=11)  # refunds take WeChat a few seconds
        world.run_jobs(advance=86)  # the lease of a dead worker ends after 85 seconds
        world.run_jobs(advance=86)  # and what it would have asked WeChat again is asked by the next
        _check(flow, world)
    except BaseException as fault:
        fault.add_note(f"{flow.name}: {mode} at call {at} of {calls}")
        raise
    return struck


def _check(flow: Flow, world: World) -> None:
    from chalicelib.jobs import service as jobs

    order = world.shopper.order(world.order_id)
    if order["state"] == "awaiting_payment" and flow.state == "closed":
        world.run_jobs(advance=16 * 60)
        order = world.shopper.order(world.order_id)
    assert (order["state"], order["paid_fen"], order["refunded_fen"]) == (flow.state, flow.paid_fen, flow.refunded_fen)
    assert all(refund["state"] == "succeeded" for refund in order["refunds"]), order["refunds"]
    assert len(order["refunds"]) == (1 if flow.refunded_fen else 0)
    assert [one.about + ": " + one.what for one in _audit(world, flow.taken)] == []
    assert len(world.shopper.get("/v1/orders").ok()["items"]) == 1
    assert jobs.counts().dead == 0


def _audit(world: World, taken: tuple[int, int]) -> Any:
    """The audit of this world alone: its order, its stock, WeChat's books of it."""
    from chalicelib.ledger import service as ledger
    from chalicelib.orders.audit import PaidRefund, Payment, Stock, audit
    from chalicelib.orders.changes import load

    stocks = []
    for stock, before, expected in zip(_stocks(world.lines), world.taken, taken, strict=True):
        assert (stock.taken, stock.free) == (before + expected, STOCK - before - expected)
        stocks.append(Stock(stock.sku_id, stock.free, stock.taken - before, stock.supplied - before))
    payments = msgspec.convert(world.sandbox.payments(world.order_id), list[Payment])
    refunds = [one for one in world.sandbox.refunds(world.order_id) if one["state"] == "SUCCESS"]
    return audit(
        [load(world.order_id)], ledger.of_order(world.order_id), stocks, payments,
        msgspec.convert(refunds, list[PaidRefund]),
    )  # fmt: skip
