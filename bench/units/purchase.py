"""The purchase, call by call, in this process: every one of them recorded."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from bench.units.recorder import Recorder, Trip
from chalicelib.commerce.orders.jobs import CLOSE_UNPAID, PUSH_REFUND
from chalicelib.commerce.orders.settings import order_rules
from chalicelib.commerce.pricing import queries as pricing_queries
from chalicelib.customers.members.sessions import queries as sessions
from chalicelib.growth.segments.definitions import queries as definitions
from chalicelib.platform.jobs import queue, worker
from chalicelib.platform.jobs.declarations import Kind
from chalicelib.platform.jobs.tables import table_of
from chalicelib.platform.store import cache, read
from local.client import Operator, Sandbox, Shopper, Transport
from local.clock import LocalClock
from local.notices import payment_callback

#: A deadline and a bit: after this no order waits for its payment any more.
_PAST_DEADLINE_SECONDS = 3600.0
_CARD_PAGE = 20

DETAIL = "产自舟山渔场，船上速冻，冷链到家。每条 450 到 500 克，去鳞去内脏，真空独立包装。" * 8


def forget_everything() -> None:
    """A process that was just started: it remembers nothing."""
    for group in ("catalogue", "pricing", "settings", sessions.CACHE):
        cache.forget(group)
    definitions.forget()


def forget_catalogue() -> None:
    """A busy process that meets product and member for the first time: it remembers only what every call asks for."""
    forget_everything()
    pricing_queries.templates()
    order_rules()
    definitions.book()


@dataclass
class Purchase:
    """One shopper and one operator in a mall; `run` makes every call once, each after `forget`.

    `others` products more than the two that are bought are put into the mall, so that lists are full.
    """

    send: Transport
    sandbox: Sandbox
    clock: LocalClock
    operator: Operator
    forget: Callable[[], None]
    others: int = 0
    recorder: Recorder = field(default_factory=Recorder)
    trips: dict[str, list[Trip]] = field(default_factory=dict)

    def run(self) -> dict[str, list[Trip]]:
        """The trips of each call, by its name in bench/units/floors.py."""
        for _ in range(self.others):
            self._product("小黄鱼")
        product, other = self._product("大黄鱼"), self._product("带鱼")
        skus = [each["skus"][0]["sku_id"] for each in (product, other)]
        shopper = self._arrive()
        self._browse(shopper, product)
        self._fill_cart(shopper, skus)
        order_id = self._place(shopper, skus)
        self._pay(shopper, order_id)
        self._look(shopper, order_id)
        self._use_coupon(shopper, skus[0])
        self._close(shopper, skus[0])
        self._send(shopper, skus[0])
        self._refund(shopper, skus[0])
        return self.trips

    def _record(self, name: str, work: Callable[[], Any]) -> Any:
        self.forget()
        with self.recorder.recording() as trips:
            result = work()
        self.trips[name] = trips
        return result

    def _product(self, name: str) -> Any:
        skus = [
            {"sku_code": f"b{secrets.token_hex(4)}", "specs": {"规格": size}, "price_fen": price, "stock": 1000}
            for size, price in (("500 克", 3990), ("1 千克", 7590), ("2 千克", 14990))
        ]
        gallery = [f"https://img.example.com/{secrets.token_hex(8)}/{n}.jpg" for n in range(5)]
        return self.operator.product(
            name=f"{name} {secrets.token_hex(3)}", brief="东海现捕，顺丰冷链", skus=skus, gallery=gallery,
            picture_url=gallery[0], detail=DETAIL, keywords=["海鲜", "冷冻", name],
            specs=[{"name": "规格", "values": ["500 克", "1 千克", "2 千克"]}],
        )  # fmt: skip

    def _arrive(self) -> Shopper:
        user = f"bench-{secrets.token_hex(6)}"
        self._record("login (new member)", lambda: self._login(user))
        token = self._record("login (known member)", lambda: self._login(user))
        shopper = Shopper.arrive(self.send, self.sandbox, user)
        shopper.token = token
        return shopper

    def _login(self, user: str) -> str:
        code = self.sandbox.post("login", {"user": user})["code"]
        answer: str = Shopper(self.send, self.sandbox).post("/v1/auth/login", {"code": code}).ok()["token"]
        return answer

    def _browse(self, shopper: Shopper, product: Any) -> None:
        self._record("me", lambda: shopper.get("/v1/me").ok())
        self._record("categories", lambda: shopper.get("/v1/categories").ok())
        self._record("product list", lambda: shopper.get(f"/v1/products?limit={_CARD_PAGE}").ok())
        self._record("search", lambda: shopper.get(f"/v1/products?limit={_CARD_PAGE}&q=%E6%B5%B7%E9%B2%9C").ok())
        self._record("product detail", lambda: shopper.get(f"/v1/products/{product['product_id']}").ok())

    def _fill_cart(self, shopper: Shopper, skus: list[str]) -> None:
        shopper.call("DELETE", f"/v1/cart/lines/{skus[0]}").ok()  # makes the cart: that is done once in a member's life
        self._record("add to cart", lambda: shopper.put(f"/v1/cart/lines/{skus[0]}", {"quantity": 1}).ok())
        shopper.put(f"/v1/cart/lines/{skus[1]}", {"quantity": 2}).ok()
        self._record("get cart", lambda: shopper.get("/v1/cart").ok())

    def _place(self, shopper: Shopper, skus: list[str]) -> str:
        lines = [(skus[0], 1)]
        payable = self._record("quote", lambda: shopper.quote(lines))["payable_fen"]
        body = shopper.order_body(lines, payable)
        order_id: str = self._record("place order, 1 line", lambda: self._order(shopper, body))
        cart: dict[str, Any] = {"from_cart": True, "address_id": shopper.address_id}
        payable = shopper.post("/v1/quotes", cart).ok()["payable_fen"]
        body = cart | {"expected_payable_fen": payable}
        self._record("place order, 2 lines of the cart", lambda: self._order(shopper, body))
        return order_id

    def _order(self, shopper: Shopper, body: dict[str, Any]) -> str:
        order_id: str = shopper.post("/v1/orders", body, key=secrets.token_hex(8)).ok(201)["order_id"]
        return order_id

    def _pay(self, shopper: Shopper, order_id: str) -> None:
        payment = self._record("start payment", lambda: shopper.start_payment(order_id))
        self.sandbox.pay(payment, notify="none")
        notice = payment_callback(self.sandbox, order_id)
        self._record("payment callback", lambda: self.send(*notice).ok())

    def _look(self, shopper: Shopper, order_id: str) -> None:
        self._record("order detail", lambda: shopper.order(order_id))
        self._record("order list", lambda: shopper.get("/v1/orders").ok())
        self._job("job: watch (paid)", CLOSE_UNPAID, order_id)

    def _use_coupon(self, shopper: Shopper, sku: str) -> None:
        terms = {
            "name": "五元券", "kind": "amount_off", "amount_fen": 500, "threshold_fen": 2000, "total": 100,
            "limit_per_member": 1, "valid": {"days": 7}, "how": ["claim"],
        }  # fmt: skip
        template = self.operator.post("/v1/admin/coupon-templates", terms).ok(201)["template_id"]
        self.operator.post(f"/v1/admin/coupon-templates/{template}/publish").ok()
        coupon = self._record(
            "get a coupon", lambda: shopper.post(f"/v1/coupon-templates/{template}/claim").ok(201)["coupon_id"]
        )
        body = {"lines": [{"sku_id": sku, "quantity": 1}], "address_id": shopper.address_id, "coupon_ids": [coupon]}
        payable = shopper.post("/v1/quotes", body).ok()["payable_fen"]
        body |= {"expected_payable_fen": payable}
        order_id = self._record("place order, 1 line, with a coupon", lambda: self._order(shopper, body))
        self.sandbox.pay(shopper.start_payment(order_id), notify="none")
        notice = payment_callback(self.sandbox, order_id)
        self._record("payment callback, with a coupon", lambda: self.send(*notice).ok())

    def _paid(self, shopper: Shopper, sku: str) -> str:
        order_id: str = shopper.place([(sku, 1)])["order_id"]
        self.sandbox.pay(shopper.start_payment(order_id), notify="none")
        self.send(*payment_callback(self.sandbox, order_id)).ok()
        return order_id

    def _close(self, shopper: Shopper, sku: str) -> None:
        order_id = shopper.place([(sku, 1)])["order_id"]
        shopper.start_payment(order_id)
        self._record("cancel", lambda: shopper.post(f"/v1/orders/{order_id}/cancel").ok())
        late = shopper.place([(sku, 1)])["order_id"]
        shopper.start_payment(late)
        self.clock.advance(_PAST_DEADLINE_SECONDS)
        self._job("job: watch (deadline)", CLOSE_UNPAID, late)

    def _send(self, shopper: Shopper, sku: str) -> None:
        order_id = self._paid(shopper, sku)
        parcel = {"carrier": "SF", "tracking_no": f"SF{secrets.token_hex(6)}"}
        self._record("ship", lambda: self.operator.post(f"/v1/admin/orders/{order_id}/ship", parcel).ok())

    def _refund(self, shopper: Shopper, sku: str) -> None:
        order_id = self._paid(shopper, sku)
        ask = {"reason": "不想要了"}
        key = secrets.token_hex(8)
        refund = self._record(
            "refund request", lambda: shopper.post(f"/v1/orders/{order_id}/refunds", ask, key=key).ok(202)
        )
        self._job("job: refund push", PUSH_REFUND, refund["refund_id"])

    def _job(self, name: str, kind: Kind, key: str) -> None:
        """Run that job as the stream's worker does: it is handed the job, and does not look for it."""
        found = [
            job
            for shard in queue.shards()
            for job in read.query_all(table_of(shard), shard, consistent=True)
            if (job.task.kind, job.task.key) == (kind.name, key)
        ]
        assert self._record(name, lambda: worker.run_one(found[0]))
