"""The journeys that are measured: a visit, and orders of several kinds from the quote to the last job that they owe."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import Any

from bench.units.meter import Meter
from bench.units.purchase import DETAIL
from local.client import SHANGHAI, Client, Operator, Sandbox, Shopper, coupon_template
from local.notices import payment_callback

_SEATS = 3
_PRICE_FEN, _GROUP_FEN = 3990, 2990
_RULES: dict[str, Any] = {"enabled": True, "levels": 2, "rates_bp": [1000, 500], "freeze_days": 7}
#: Days from the parcel to the member's word that it came; then the rest of the time to receive it by itself, and of
#: that to ask for a refund, and of that until a commission can be withdrawn.
_ON_ITS_WAY_DAYS, _REST_DAYS = 3, 20
#: As many as a journey needs.
_PEOPLE = _SEATS
#: Longer than there is to pay.
_TO_PAY_HOURS = 2


class Mall:
    """A meter, and who plays in front of it. What is only prepared is not measured."""

    def __init__(self, meter: Meter, sandbox: Sandbox) -> None:
        self.meter, self.sandbox, self.send = meter, sandbox, meter.send
        self.sellers: list[str] = []
        self.template = ""

    def operator(self) -> Operator:
        """Logged in anew: their days are short, and journeys are long."""
        return Operator.arrive(self.send)

    def product(self) -> Any:
        """A product as a mall has it: three SKUs, five pictures, a page."""
        skus = [
            {"sku_code": f"b{secrets.token_hex(4)}", "specs": {"规格": size}, "price_fen": price, "stock": 1000}
            for size, price in (("500 克", _PRICE_FEN), ("1 千克", 7590), ("2 千克", 14990))
        ]
        gallery = [f"https://img.example.com/{secrets.token_hex(8)}/{n}.jpg" for n in range(5)]
        return self.operator().product(
            name=f"大黄鱼 {secrets.token_hex(3)}", brief="东海现捕，顺丰冷链", skus=skus, gallery=gallery,
            picture_url=gallery[0], detail=DETAIL, keywords=["海鲜", "冷冻"],
            specs=[{"name": "规格", "values": ["500 克", "1 千克", "2 千克"]}],
        )  # fmt: skip

    def people(self) -> list[Shopper]:
        """New members with an address."""
        return [Shopper.arrive(self.send, self.sandbox) for _ in range(_PEOPLE)]

    def distribute(self) -> None:
        """Two levels are paid: whoever comes by the link of the second brings both their commission."""
        operator = self.operator()
        operator.put("/v1/admin/settings/distribution", _RULES).ok()
        for _ in range(_RULES["levels"]):
            seller = Shopper.arrive(self.send, self.sandbox)
            if self.sellers:
                seller.post("/v1/me/visits", {"inviter": self.sellers[-1]}).ok()
            applied = seller.post("/v1/distributor").ok()
            operator.post(f"/v1/admin/distributors/{applied['distributor_id']}/approve").ok()
            self.sellers.append(applied["invite_code"])

    def offer_coupons(self) -> None:
        """A coupon that everybody may claim."""
        template = coupon_template(total=100_000)
        self.template = self.operator().post("/v1/admin/coupon-templates", template).ok(201)["template_id"]


#: A life: given the mall, the product and those who may buy it, plays one or more orders to their end; how many.
Journey = Callable[[Mall, Any, list[Shopper]], int]


def visit(mall: Mall, product: Any, _: list[Shopper]) -> int:
    """A new member looks around, and comes again."""
    meter, user = mall.meter, f"visitor-{secrets.token_hex(6)}"

    def log_in() -> Any:
        code = mall.sandbox.post("login", {"user": user})["code"]
        return shopper.post("/v1/auth/login", {"code": code}).ok()

    shopper = Shopper(mall.send, mall.sandbox, user)
    shopper.token = meter.call("login (new member)", log_in)["token"]
    meter.call("login (known member)", log_in)
    shopper.address_id = meter.call("add an address", lambda: shopper.post("/v1/me/addresses", SHANGHAI).ok(201))
    _get(mall, "me", shopper, "/v1/me")
    _get(mall, "categories", shopper, "/v1/categories")
    _get(mall, "product list", shopper, "/v1/products?limit=20")
    _get(mall, "search", shopper, "/v1/products?limit=20&q=%E6%B5%B7%E9%B2%9C")
    _get(mall, "product detail", shopper, f"/v1/products/{product['product_id']}")
    line = f"/v1/cart/lines/{_sku(product)}"
    shopper.call("DELETE", line).ok()  # makes the cart: that is done once in a member's life
    meter.call("add to cart", lambda: shopper.put(line, {"quantity": 1}).ok())
    _get(mall, "get cart", shopper, "/v1/cart")
    return 1


def plain(mall: Mall, product: Any, people: list[Shopper]) -> int:
    """One line, paid, sent, received as its member says, completed."""
    shopper = people[0]
    order_id = _buy(mall, shopper, _lines(product))
    _look(mall, shopper, order_id)
    mall.meter.live(hours=_TO_PAY_HOURS)
    _deliver(mall, {order_id: shopper})
    return 1


def commissioned(mall: Mall, product: Any, people: list[Shopper]) -> int:
    """The same by a new customer of a distributor, with a coupon that was claimed; two levels earn by it."""
    shopper = people[0]
    visits = {"inviter": mall.sellers[-1]}
    mall.meter.call("come by a link", lambda: shopper.post("/v1/me/visits", visits).ok())
    claim = f"/v1/coupon-templates/{mall.template}/claim"
    coupon = mall.meter.call("claim a coupon", lambda: shopper.post(claim).ok(201))
    order_id = _buy(mall, shopper, _lines(product) | {"coupon_ids": [coupon["coupon_id"]]})
    _look(mall, shopper, order_id)
    mall.meter.live(hours=_TO_PAY_HOURS)
    _deliver(mall, {order_id: shopper})
    return 1


def grouped(mall: Mall, product: Any, people: list[Shopper]) -> int:
    """A lobby of three that fills: three orders."""
    activity = mall.operator().group_activity({_SEATS: _GROUP_FEN}, product=product)["activity_id"]
    seats: dict[str, Shopper] = {}
    group = {"activity_id": activity, "size": _SEATS}
    for shopper in people[:_SEATS]:
        _get(mall, "lobbies to join", shopper, f"/v1/group-activities/{activity}/lobbies")
        order_id = _buy(mall, shopper, _lines(product) | {"group": group})
        group = {"lobby_id": _look(mall, shopper, order_id)["group"]["lobby_id"]}
        _get(mall, "a lobby", shopper, f"/v1/lobbies/{group['lobby_id']}")
        seats[order_id] = shopper
    mall.meter.live(hours=_TO_PAY_HOURS)
    _deliver(mall, seats)
    return _SEATS


def unpaid(mall: Mall, product: Any, people: list[Shopper]) -> int:
    """Placed, its payment begun, and left: closed by itself, with its stock back."""
    shopper = people[0]
    order_id = _place(mall, shopper, _lines(product))
    mall.meter.call("start payment", lambda: shopper.start_payment(order_id))
    mall.meter.live(hours=_TO_PAY_HOURS)
    assert shopper.order(order_id)["state"] == "closed"
    return 1


def refunded(mall: Mall, product: Any, people: list[Shopper]) -> int:
    """Paid, and given back whole before it is sent."""
    shopper = people[0]
    order_id = _buy(mall, shopper, _lines(product))
    _look(mall, shopper, order_id)
    mall.meter.live(hours=_TO_PAY_HOURS)
    ask, key = {"reason": "不想要了"}, secrets.token_hex(8)
    path = f"/v1/orders/{order_id}/refunds"
    mall.meter.call("refund request", lambda: shopper.post(path, ask, key=key).ok(202))
    mall.meter.live(days=_REST_DAYS)
    assert [one["state"] for one in shopper.order(order_id)["refunds"]] == ["succeeded"], shopper.order(order_id)
    return 1


def _get(mall: Mall, name: str, shopper: Shopper, path: str) -> Any:
    return mall.meter.call(name, lambda: shopper.get(path).ok())


def _sku(product: Any) -> str:
    sku: str = product["skus"][0]["sku_id"]
    return sku


def _lines(product: Any) -> dict[str, Any]:
    return {"lines": [{"sku_id": _sku(product), "quantity": 1}]}


def _place(mall: Mall, shopper: Shopper, what: dict[str, Any]) -> str:
    asked = what | {"address_id": shopper.address_id}
    payable = mall.meter.call("quote", lambda: shopper.post("/v1/quotes", asked).ok())["payable_fen"]
    body, key = asked | {"expected_payable_fen": payable}, secrets.token_hex(8)
    order_id: str = mall.meter.call("place order", lambda: shopper.post("/v1/orders", body, key=key).ok(201))[
        "order_id"
    ]
    return order_id


def _buy(mall: Mall, shopper: Shopper, what: dict[str, Any]) -> str:
    order_id = _place(mall, shopper, what)
    payment = mall.meter.call("start payment", lambda: shopper.start_payment(order_id))
    mall.sandbox.pay(payment, notify="none")
    notice = payment_callback(mall.sandbox, order_id)
    mall.meter.call("payment callback", lambda: mall.send(*notice).ok())
    return order_id


def _look(mall: Mall, shopper: Shopper, order_id: str) -> Any:
    _get(mall, "order list", shopper, "/v1/orders")
    return mall.meter.call("order detail", lambda: shopper.order(order_id))


def _deliver(mall: Mall, orders: dict[str, Shopper]) -> None:
    operator = mall.operator()
    for order_id in orders:
        parcel = {"carrier": "SF", "tracking_no": f"SF{secrets.token_hex(6)}"}
        _post(mall, "ship", operator, f"/v1/admin/orders/{order_id}/ship", parcel)
    mall.meter.live(days=_ON_ITS_WAY_DAYS)
    for order_id, shopper in orders.items():
        _post(mall, "receive", shopper, f"/v1/orders/{order_id}/receive")
    mall.meter.live(days=_REST_DAYS)
    for order_id, shopper in orders.items():
        assert shopper.order(order_id)["state"] == "completed"


def _post(mall: Mall, name: str, who: Client, path: str, body: Any = None) -> None:
    mall.meter.call(name, lambda: who.post(path, body).ok())
