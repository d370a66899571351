"""The crash sweep over purchases: ordering, paying, cancelling, closing by time, refunds, shipping.

Each flow with a fault at its k-th call that may change something (to DynamoDB or to WeChat) for every k: the process
dies before it or after it, or its answer is lost; and once with every call failing at first: it never arrives, or
DynamoDB refuses it. Every order has a coupon: locked, used and given back with it; the price for new
customers; and pieces that count against its product's limit per member.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from local.client import Operator, Sandbox, Shopper, in_process
from local.clock import LocalClock
from local.jobs import forget_all
from local.notices import payment_callback
from tests.support.operators import owner_token
from tests.support.outside import POINTS, WEATHER, Mode, Outside, may_change
from tests.support.sweep import Calmly, Steps, Sweep, World, dead_jobs

STOCK = 1000
#: The first SKU's price, and what a new customer pays.
PRICE, WELCOME = 2099, 1999
#: What the coupon takes off, 200 of it of the first line and 100 of the second; and what is left to pay.
OFF = 300
TOTAL = WELCOME + 3 * 333 - OFF
#: Of an order of nine pieces of the second SKU, what comes off because it costs so much; and what is left to pay.
THRESHOLD, THRESHOLD_OFF = 4000, 400
DEAR_TOTAL = WELCOME + 9 * 333 - THRESHOLD_OFF - OFF
#: What six of the nine were paid with; and by how much the rest would cost more alone.
SIX, LOST = 2577 * 6 // 9, 240


@dataclass
class Purchase(World):
    """One shopper, one product with two SKUs (and how many of each were taken before), one order to be."""

    shopper: Shopper
    lines: list[tuple[str, int]]
    taken: list[int]
    coupon_id: str
    total_fen: int
    order_id: str = ""
    key: str = ""
    body: dict[str, Any] | None = None

    def pay_at_wechat(self) -> None:
        self.sandbox.pay(self.shopper.start_payment(self.order_id), notify="none")

    def order_body(self) -> dict[str, Any]:
        return self.shopper.order_body(self.lines, self.total_fen) | {"coupon_ids": [self.coupon_id]}

    def place(self) -> None:
        placed = self.shopper.post("/v1/orders", self.order_body(), key=secrets.token_hex(8)).ok(201)
        self.order_id = placed["order_id"]

    def paid(self) -> None:
        self.place()
        self.pay_at_wechat()
        self.send(*payment_callback(self.sandbox, self.order_id)).ok()

    def shipped(self) -> None:
        self.paid()
        parcel = {"carrier": "SF", "tracking_no": f"SF{secrets.token_hex(5)}"}
        self.operator.post(f"/v1/admin/orders/{self.order_id}/ship", parcel).ok()


@dataclass
class Flow(Steps[Purchase]):
    """And how it must end: the order, and the pieces of each SKU that it holds."""

    state: str
    paid_fen: int
    refunded_fen: int
    taken: tuple[int, int]
    refunds: int = 1
    is_dear: bool = False


@pytest.fixture
def sweep(
    dynamodb: str, sandbox: str, mall_clock: LocalClock, outside: Outside, calmly: Calmly
) -> Iterator[Sweep[Flow, Purchase]]:
    send = in_process()
    operator = Operator(send, owner_token())

    skus = [
        {"sku_code": f"{name}{secrets.token_hex(4)}", "specs": {"颜色": name}, "price_fen": price, "stock": STOCK}
        for name, price in (("a", PRICE), ("b", 333))
    ]
    product = operator.product(skus=skus, limit_per_member=9)
    lines = [(product["skus"][0]["sku_id"], 1), (product["skus"][1]["sku_id"], 3)]
    coupons = {
        "name": "三元券", "kind": "amount_off", "amount_fen": OFF, "threshold_fen": 0, "total": STOCK,
        "limit_per_member": 1, "valid": {"days": 30}, "how": ["claim"],
    }  # fmt: skip
    template_id = operator.post("/v1/admin/coupon-templates", coupons).ok(201)["template_id"]
    promotion = f"/v1/admin/promotions/p-{secrets.token_hex(6)}"
    welcome = {
        "kind": "new_customer_price", "name": "新客价", "prices": [{"sku_id": lines[0][0], "price_fen": WELCOME}],
        "starts_at": "2020-01-01T00:00:00Z", "ends_at": "2099-01-01T00:00:00Z",
    }  # fmt: skip
    operator.put(promotion, welcome).ok()
    threshold = {
        "kind": "threshold_off", "name": "满减", "scope": {"products": [product["product_id"]]},
        "tiers": [{"threshold_fen": THRESHOLD, "off_fen": THRESHOLD_OFF}],
        "starts_at": welcome["starts_at"], "ends_at": welcome["ends_at"],
    }  # fmt: skip
    operator.put(f"{promotion}-t", threshold).ok()

    def new_world(flow: Flow) -> Purchase:
        forget_all()
        shopper = Shopper.arrive(send, Sandbox(sandbox))
        taken = [stock.taken for stock in _stocks(lines)]
        coupon = shopper.post(f"/v1/coupon-templates/{template_id}/claim").ok(201)["coupon_id"]
        wanted, total_fen = ([lines[0], (lines[1][0], 9)], DEAR_TOTAL) if flow.is_dear else (lines, TOTAL)
        return Purchase(send, Sandbox(sandbox), mall_clock, operator, shopper, wanted, taken, coupon, total_fen)

    yield Sweep(outside, new_world, _check, may_change, calmly)
    operator.delete(promotion).ok(204)
    operator.delete(f"{promotion}-t").ok(204)
    operator.put("/v1/admin/settings/orders", {}).ok()


def _stocks(lines: list[tuple[str, int]]) -> list[Any]:
    from chalicelib.commerce.catalogue.tables import stock_key
    from chalicelib.commerce.orders.checks import Stock
    from chalicelib.platform.store import read

    items = read.batch_get([stock_key(sku_id) for sku_id, _ in lines])
    return [
        Stock(sku_id, int(item.free), int(item.taken), int(item.supplied))
        for (sku_id, _), item in zip(lines, items, strict=True)
    ]


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


def _close_refused(before: Callable[[Purchase], None]) -> Callable[[Purchase], None]:
    """WeChat refuses, in a word that nobody knows, to close what it is asked to close."""

    def prepare(world: Purchase) -> None:
        before(world)
        path = f"/out-trade-no/{world.order_id}/close"
        world.sandbox.post("faults", {"path": path, "kind": "error", "code": "SOME_NEW_WORD", "times": 1_000})

    return prepare


def _ask_wechat(world: Purchase) -> None:
    world.operator.post(f"/v1/admin/orders/{world.order_id}/ask-wechat")


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


def _ship(world: Purchase) -> None:
    world.operator.post(f"/v1/admin/orders/{world.order_id}/ship", {"carrier": "SF", "tracking_no": "SF1"})
    world.run_jobs()


TO_SHIP = "awaiting_shipment"
FLOWS = [
    Flow("place", _prepare_order, _place, _place_again, "awaiting_payment", 0, 0, (1, 3)),
    Flow("start payment", Purchase.place, lambda w: _start(w), lambda w: _start(w), "awaiting_payment", 0, 0, (1, 3)),
    Flow("pay, callback again", _paid_at_wechat, _callback, _callback_again, TO_SHIP, TOTAL, 0, (1, 3)),
    Flow("pay, callback lost", _paid_at_wechat, _callback, _callback_lost, TO_SHIP, TOTAL, 0, (1, 3)),
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
    Flow("ship", Purchase.paid, _ship, _ship, "shipped", TOTAL, 0, (1, 3)),
]


def _start(world: Purchase) -> None:
    world.shopper.post(f"/v1/orders/{world.order_id}/payment")


@pytest.mark.parametrize("mode", POINTS)
@pytest.mark.parametrize("flow", FLOWS, ids=lambda flow: flow.name)
def test_wherever_it_is_struck_the_mall_heals(
    flow: Flow,
    mode: Mode,
    sweep: Sweep[Flow, Purchase],
    record_property: Callable[[str, object], None],
) -> None:
    points = sweep.at_every_point(flow, mode)
    assert points
    record_property("crash points", points)


@pytest.mark.parametrize("mode", WEATHER)
@pytest.mark.parametrize("flow", FLOWS, ids=lambda flow: flow.name)
def test_when_every_call_fails_at_first_the_mall_copes(flow: Flow, mode: Mode, sweep: Sweep[Flow, Purchase]) -> None:
    assert sweep.play(flow, mode, None)


def _check(flow: Flow, world: Purchase) -> None:
    order = world.shopper.order(world.order_id)
    if order["state"] == "awaiting_payment" and flow.state == "closed":
        world.run_jobs(advance=16 * 60)
        order = world.shopper.order(world.order_id)
    assert (order["state"], order["paid_fen"], order["refunded_fen"]) == (flow.state, flow.paid_fen, flow.refunded_fen)
    assert all(refund["state"] == "succeeded" for refund in order["refunds"]), order["refunds"]
    assert len(order["refunds"]) == (flow.refunds if flow.refunded_fen else 0)
    assert [one.about + ": " + one.what for one in _audit(world, flow.taken)] == []
    assert len(world.shopper.get("/v1/orders").ok()["items"]) == 1
    assert dead_jobs() == []
    _check_standing(world)


def _check_standing(world: Purchase) -> None:
    """What is kept of the member is what their one order makes of it; the sets of an item are never empty."""
    from chalicelib.commerce.orders.holding import queries, rules
    from chalicelib.commerce.orders.queries import load
    from chalicelib.platform.store import read

    order, member_id = load(world.order_id), world.shopper.member_id
    kept = queries.standing_of(read.get(*queries.standing_key(member_id)[:1], member_id))
    assert kept.held == {text for text in [rules.hold_of(order)] if text}
    assert kept.let_go == {text for text in [rules.let_go_of(order)] if text}
    assert kept.bought >= {text for text in [rules.bought_of(order)] if text}
    assert kept.bought == frozenset() or order.paid_at is not None
    (product_id,) = {line.product_id for line in order.lines}
    assert queries.bought_pieces(member_id, product_id) == rules.counted(order)[product_id]


def _audit(world: Purchase, taken: tuple[int, int]) -> Any:
    """The audit of this world alone: its order, its stock, WeChat's books of it."""
    from chalicelib.commerce.coupons.tables import coupon_key, held
    from chalicelib.commerce.orders.checks import Counted, Stock, audit, audit_coupons
    from chalicelib.commerce.orders.queries import load
    from chalicelib.commerce.orders.tables import UnpaidOrders
    from chalicelib.ledger import queries as ledger_queries
    from chalicelib.platform.store import read

    stocks = []
    for stock, before, expected in zip(_stocks(world.lines), world.taken, taken, strict=True):
        assert (stock.taken, stock.free) == (before + expected, STOCK - before - expected)
        stocks.append(Stock(stock.sku_id, stock.free, stock.taken - before, stock.supplied - before))
    orders = [load(world.order_id)]
    coupon = held(read.batch_get([coupon_key(world.shopper.member_id, world.coupon_id)])[0])
    assert orders[0].newcomer
    kept = read.get(UnpaidOrders, world.shopper.member_id)
    counted = {} if kept is None else {kept.member_id: Counted(int(kept.orders), kept.newcomer or "")}
    money = audit(orders, ledger_queries.entries_about(world.order_id), stocks, *world.books([world.order_id]), counted)
    return money + audit_coupons(orders, [coupon])
