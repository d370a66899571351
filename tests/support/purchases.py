"""A purchase that is struck by faults: what it is, and how it must end.

Every order has a coupon: locked, used and given back with it; the price for new customers; and pieces that count
against its product's limit per member.
"""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from local.client import Operator, Sandbox, Shopper, in_process
from local.clock import LocalClock
from local.jobs import forget_all
from local.notices import payment_callback
from tests.support.operators import owner_token
from tests.support.outside import Outside, may_change
from tests.support.sweep import Steps, Sweep, World, dead_jobs

STOCK = 100_000
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


TO_SHIP = "awaiting_shipment"


@dataclass
class Shop:
    """One product with two SKUs at prices of promotions, and a coupon for it."""

    operator: Operator
    lines: list[tuple[str, int]]
    template_id: str


@contextlib.contextmanager
def shop() -> Iterator[Shop]:
    """Open a shop for the purchases of many sweeps, and close it again."""
    operator = Operator(in_process(), owner_token())
    skus = [
        {"sku_code": f"{name}{secrets.token_hex(4)}", "specs": {"颜色": name}, "price_fen": price, "stock": STOCK}
        for name, price in (("a", PRICE), ("b", 333))
    ]
    product = operator.product(skus=skus, limit_per_member=10)
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
    yield Shop(operator, lines, template_id)
    operator.delete(promotion).ok(204)
    operator.delete(f"{promotion}-t").ok(204)


def purchases(shop: Shop, sandbox: str, mall_clock: LocalClock, outside: Outside) -> Sweep[Flow, Purchase]:
    """Purchases in that shop, each of somebody who has just come to it."""
    operator, send, lines = shop.operator, shop.operator.send, shop.lines

    def new_world(flow: Flow) -> Purchase:
        forget_all()
        shopper = Shopper.arrive(send, Sandbox(sandbox))
        taken = [stock.taken for stock in _stocks(lines)]
        coupon = shopper.post(f"/v1/coupon-templates/{shop.template_id}/claim").ok(201)["coupon_id"]
        wanted, total_fen = ([lines[0], (lines[1][0], 9)], DEAR_TOTAL) if flow.is_dear else (lines, TOTAL)
        return Purchase(send, Sandbox(sandbox), mall_clock, operator, shopper, wanted, taken, coupon, total_fen)

    return Sweep(outside, new_world, _check, may_change)


def _stocks(lines: list[tuple[str, int]]) -> list[Any]:
    from chalicelib.commerce.catalogue.tables import stock_key
    from chalicelib.commerce.orders.checks import Stock
    from chalicelib.platform.store import read

    items = read.batch_get([stock_key(sku_id) for sku_id, _ in lines])
    return [
        Stock(sku_id, int(item.free), int(item.taken), int(item.supplied))
        for (sku_id, _), item in zip(lines, items, strict=True)
    ]


def _check(flow: Flow, world: Purchase) -> None:
    if world.shopper.get("/v1/me").status == 401:
        world.shopper.log_in()  # a block ends every token
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

    order, member_id = load(world.order_id), world.shopper.member_id
    kept = queries.standing_now(member_id)
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
