"""A mini-program, an operator's tool and WeChat, as tests and bench play them: over HTTP, or in this process."""

from __future__ import annotations

import functools
import itertools
import json
import re
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Protocol, TypeVar

import requests

_T = TypeVar("_T")

#: What must happen is waited for as long: a defect makes a test wait to the end, a busy machine does not make it fail.
PATIENCE_SECONDS = 60.0


def poll(ask: Callable[[], _T | None]) -> _T:
    """What `ask` answers as soon as it answers something; fails when it does not within PATIENCE_SECONDS."""
    end = time.monotonic() + PATIENCE_SECONDS
    while not (answer := ask()):
        assert time.monotonic() < end, f"nothing after {PATIENCE_SECONDS} s: {answer!r}"
        time.sleep(0.02)
    return answer


@dataclass
class Answer:
    """What came back."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """Decodes the body; None when it is empty."""
        return json.loads(self.body) if self.body else None

    def ok(self, status: int = 200) -> Any:
        """The body, of an answer with that status; fails otherwise, showing it."""
        assert self.status == status, (self.status, self.body.decode())
        return self.json

    def refused(self, status: int, code: str) -> Any:
        """The problem document, of a refusal with that status and code."""
        assert self.headers["content-type"] == "application/problem+json", self.headers
        assert (self.status, self.json["code"]) == (status, code), self.body.decode()
        return self.json


class Transport(Protocol):
    """How a request gets to the mall."""

    def __call__(self, method: str, path: str, headers: dict[str, str], body: bytes | None) -> Answer:
        """Sends the request and waits for its answer."""
        ...


def over_http(base_url: str) -> Transport:
    """To a running mall, over one kept-alive connection."""
    session = requests.Session()
    session.trust_env = False

    def send(method: str, path: str, headers: dict[str, str], body: bytes | None) -> Answer:
        reply = session.request(method, base_url + path, headers=headers, data=body, timeout=30)
        return Answer(reply.status_code, {k.lower(): v for k, v in reply.headers.items()}, reply.content)

    return send


def in_process() -> Transport:
    """To the application in this process, through the same gateway that a local mall has. Whatever a test asks, a
    refusal that the OpenAPI document does not state fails it."""
    from werkzeug.test import Client as WsgiClient

    import app
    from local.serve import gateway

    client = WsgiClient(gateway(app.app, app.operators))

    def send(method: str, path: str, headers: dict[str, str], body: bytes | None) -> Answer:
        reply = client.open(path, method=method, headers=headers, data=body)
        answer = Answer(reply.status_code, {k.lower(): v for k, v in reply.headers.items()}, reply.data)
        if answer.headers.get("content-type") == "application/problem+json":
            _stated(method, path.partition("?")[0], answer.json["code"])
        return answer

    return send


def _stated(method: str, path: str, code: str) -> None:
    from chalicelib.platform.web.endpoint import ENDPOINTS
    from chalicelib.platform.web.openapi import codes

    fitting = (one for one in ENDPOINTS if one.method == method and _pattern(one.path).fullmatch(path))
    asked = min(fitting, key=lambda one: one.path.count("{"), default=None)
    assert asked is None or code == "internal" or code in codes(asked), f"{method} {path} does not state {code}"


@functools.cache
def _pattern(path: str) -> re.Pattern[str]:
    return re.compile(re.sub(r"\{\w+\}", "[^/]+", path))


class Client:
    """Somebody who calls the API, with a token or without."""

    def __init__(self, send: Transport, token: str = "") -> None:
        self.send = send
        self.token = token

    def call(self, method: str, path: str, body: Any = None, *, key: str = "", **headers: str) -> Answer:
        """Sends a request, `body` as JSON unless it is bytes, with the token and this idempotency key."""
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        if self.token:
            given.setdefault("Authorization", f"Bearer {self.token}")
        if key:
            given["Idempotency-Key"] = key
        raw = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        if raw is not None:
            given.setdefault("Content-Type", "application/json")
        return self.send(method, path, given, raw)

    def get(self, path: str, **headers: str) -> Answer:
        """Sends a GET."""
        return self.call("GET", path, **headers)

    def items(self, path: str, limit: int = 100) -> list[Any]:
        """A whole list, page by page: a mall that other tests have used before holds more than one."""
        found: list[Any] = []
        path += f"{'&' if '?' in path else '?'}limit={limit}"
        cursor = ""
        while True:
            page = self.get(path + cursor).ok()
            assert len(page["items"]) <= limit
            found += page["items"]
            if page["next_cursor"] is None:
                return found
            cursor = f"&cursor={page['next_cursor']}"

    def post(self, path: str, body: Any = None, *, key: str = "", **headers: str) -> Answer:
        """Sends a POST, by default of an empty object."""
        return self.call("POST", path, {} if body is None else body, key=key, **headers)

    def put(self, path: str, body: Any) -> Answer:
        """Sends a PUT."""
        return self.call("PUT", path, body)

    def delete(self, path: str) -> Answer:
        """Sends a DELETE."""
        return self.call("DELETE", path)


class Sandbox:
    """WeChat's control port."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._session = requests.Session()
        self._session.trust_env = False

    def post(self, path: str, body: dict[str, Any]) -> Any:
        """Tells the sandbox something; its answer."""
        reply = self._session.post(f"{self.url}/_control/{path}", json=body, timeout=30)
        assert reply.status_code == 200, (reply.status_code, reply.text)
        return reply.json()

    def get(self, path: str) -> Any:
        """Asks the sandbox something."""
        reply = self._session.get(f"{self.url}/_control/{path}", timeout=30)
        assert reply.status_code == 200, (reply.status_code, reply.text)
        return reply.json()

    def pay(self, payment: dict[str, Any], notify: str = "normal", **more: Any) -> Any:
        """The shopper pays, with what wx.requestPayment was given."""
        prepay_id = payment["package"].removeprefix("prepay_id=")
        return self.post("pay", {"prepay_id": prepay_id, "notify": notify, **more})

    def payments(self, order_id: str) -> list[dict[str, Any]]:
        """Returns the payments of this order that WeChat has received."""
        return [one for one in self.get("ledger")["payments"] if one["out_trade_no"] == order_id]

    def refunds(self, order_id: str) -> list[dict[str, Any]]:
        """Returns the refunds of this order that WeChat has made."""
        return [one for one in self.get("ledger")["refunds"] if one["out_trade_no"] == order_id]

    def trade(self, order_id: str) -> dict[str, Any] | None:
        """The payment of this order as WeChat has it, paid or not; None when it was never asked for."""
        found: list[dict[str, Any]] = self.get(f"trades?out_trade_no={order_id}")["trades"]
        return found[0] if found else None

    def sends(self, number: str) -> list[dict[str, Any]]:
        """Every try to tell the mall of that order's payment, or of that refund: its defect, and what was answered."""
        owed = self.get("notifications")["notifications"]
        return [send for one in owed if one["number"] == number for send in one["sends"]]

    def fault(self, path: str, kind: str, times: int = 1, **more: Any) -> None:
        """What becomes of the next so many calls to WeChat's `path`."""
        self.post("faults", {"path": path, "kind": kind, "times": times, **more})


class Control:
    """The local control of a mall: its clock and its jobs."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._session = requests.Session()
        self._session.trust_env = False

    def status(self) -> Any:
        """Returns what the mall says of itself: its clock, its jobs."""
        return self._answer(self._session.get(f"{self.url}/status", timeout=60))

    def at(self, seconds: float) -> str:
        """The instant so many seconds from now by the mall's clock."""
        return str((datetime.fromisoformat(self.status()["now"]) + timedelta(seconds=seconds)).isoformat())

    def run_jobs(self, advance: float = 0) -> int:
        """Run what is due, `advance` seconds from now; how many jobs were run."""
        if advance:
            self._answer(self._session.post(f"{self.url}/clock/advance", json={"seconds": advance}, timeout=60))
        return int(self._answer(self._session.post(f"{self.url}/jobs/run", timeout=60))["ran"])

    @staticmethod
    def _answer(reply: requests.Response) -> Any:
        assert reply.status_code == 200, (reply.status_code, reply.text)
        return reply.json()


_names = itertools.count()

SHANGHAI: dict[str, Any] = {
    "name": "林小鱼 🐟", "phone": "13800000000", "region_code": "310115", "province": "上海市", "city": "市辖区",
    "district": "浦东新区", "detail": "世纪大道 1 号", "is_default": True,
}  # fmt: skip


def offered(sku_id: str, prices: dict[int, int | tuple[int, int]]) -> list[dict[str, Any]]:
    """The prices of a group-buy as an operator names them: the price, or (price, leader's), by size."""
    both = {size: price if isinstance(price, tuple) else (price,) for size, price in prices.items()}
    names = ("price_fen", "leader_price_fen")
    return [{"sku_id": sku_id, "size": size, **dict(zip(names, fen, strict=False))} for size, fen in both.items()]


def coupon_template(**more: Any) -> dict[str, Any]:
    """A coupon template as an operator writes it: 5 yuan off, a week, one each of ten, for whoever claims."""
    return {
        "name": "五元券", "kind": "amount_off", "amount_fen": 500, "threshold_fen": 2000, "total": 10,
        "limit_per_member": 1, "valid": {"days": 7}, "how": ["claim"],
    } | more  # fmt: skip


@dataclass
class Shopper(Client):
    """A logged-in member with an address."""

    send: Transport
    sandbox: Sandbox
    user: str = ""
    token: str = ""
    member_id: str = ""
    address_id: str = ""
    keys: list[str] = field(default_factory=list)

    @classmethod
    def arrive(cls, send: Transport, sandbox: Sandbox, user: str = "") -> Shopper:
        """Somebody new logs in and gives an address."""
        user = user or f"shopper-{next(_names)}-{secrets.token_hex(4)}"
        shopper = cls(send, sandbox, user)
        shopper.log_in()
        shopper.address_id = shopper.post("/v1/me/addresses", SHANGHAI).ok(201)["address_id"]
        return shopper

    def login_code(self) -> str:
        """A fresh code of wx.login."""
        code: str = self.sandbox.post("login", {"user": self.user})["code"]
        return code

    def log_in(self) -> Any:
        """Logs in, also anew, and goes by the new token from now on; what is answered."""
        login = self.post("/v1/auth/login", {"code": self.login_code()}).ok()
        self.token, self.member_id = login["token"], login["member"]["member_id"]
        return login

    def leave(self, **more: Any) -> Answer:
        """Asks that the account is deleted, with a fresh code."""
        return self.call("DELETE", "/v1/me", {"code": self.login_code(), **more})

    def quote(self, lines: list[tuple[str, int]]) -> Any:
        """Asks what these lines cost."""
        body = {"lines": [{"sku_id": s, "quantity": q} for s, q in lines], "address_id": self.address_id}
        return self.post("/v1/quotes", body).ok()

    def order_body(self, lines: list[tuple[str, int]], payable_fen: int | None = None) -> dict[str, Any]:
        """Returns the body that orders these lines, at the quoted price unless one is given."""
        payable = self.quote(lines)["payable_fen"] if payable_fen is None else payable_fen
        return {
            "lines": [{"sku_id": s, "quantity": q} for s, q in lines],
            "address_id": self.address_id,
            "expected_payable_fen": payable,
        }

    def place(self, lines: list[tuple[str, int]], key: str = "") -> Any:
        """Order these lines at today's price."""
        body = self.order_body(lines)
        return self.post("/v1/orders", body, key=key or secrets.token_hex(8)).ok(201)

    def order(self, order_id: str) -> Any:
        """Reads an order."""
        return self.get(f"/v1/orders/{order_id}").ok()

    def start_payment(self, order_id: str) -> Any:
        """Begins the payment; what wx.requestPayment is given."""
        return self.post(f"/v1/orders/{order_id}/payment").ok()

    def buy(self, lines: list[tuple[str, int]]) -> str:
        """Order these lines and pay; the order's id, once the mall knows of the payment."""
        order_id: str = self.place(lines)["order_id"]
        self.sandbox.pay(self.start_payment(order_id))
        poll(lambda: self.order(order_id)["state"] == "awaiting_shipment")
        return order_id

    def take_seat(self, sku_id: str, *, quantity: int = 1, payable_fen: int | None = None, **group: Any) -> Answer:
        """Order a seat: `activity_id` (and `size`) opens a lobby, `lobby_id` joins one.

        At the price that is quoted, where none is given; a refusal of the quote is the answer then.
        """
        lines = [{"sku_id": sku_id, "quantity": quantity}]
        body: dict[str, Any] = {"lines": lines, "address_id": self.address_id, "group": group}
        if payable_fen is None:
            quoted = self.post("/v1/quotes", body)
            if quoted.status != 200:
                return quoted
            payable_fen = quoted.json["payable_fen"]
        return self.post("/v1/orders", body | {"expected_payable_fen": payable_fen}, key=secrets.token_hex(8))

    def open_lobby(self, activity: dict[str, Any], **more: Any) -> Any:
        """Open a lobby of this activity, with its first SKU, and pay; the order."""
        sku_id = activity["prices"][0]["sku_id"]
        placed = self.take_seat(sku_id, activity_id=activity["activity_id"], **more).ok(201)
        return self.pay(placed["order_id"])

    def join_lobby(self, lead: dict[str, Any], **more: Any) -> Any:
        """Join the lobby of this order, with the same SKU, and pay; the order."""
        placed = self.take_seat(lead["lines"][0]["sku_id"], lobby_id=lead["group"]["lobby_id"], **more).ok(201)
        return self.pay(placed["order_id"])

    def pay(self, order_id: str, notify: str = "normal") -> Any:
        """Pay; the order, once the mall knows of it."""
        payment = self.start_payment(order_id)
        if not payment.get("paid"):
            self.sandbox.pay(payment, notify)
        return poll(lambda: "paid_at" in (order := self.order(order_id)) and order)

    def lobby(self, order: dict[str, Any]) -> Any:
        """The lobby of this order, as this shopper sees it."""
        return self.get(f"/v1/lobbies/{order['group']['lobby_id']}").ok()

    def refund(self, order_id: str, lines: list[tuple[str, int]] | None = None, key: str = "") -> Any:
        """Ask for these lines' money back, or for all of it."""
        body: dict[str, Any] = {"reason": "不想要了"}
        if lines is not None:
            body["lines"] = [{"sku_id": s, "quantity": q} for s, q in lines]
        return self.post(f"/v1/orders/{order_id}/refunds", body, key=key or secrets.token_hex(8)).ok(202)


class Operator(Client):
    """An operator, logged in."""

    @classmethod
    def arrive(cls, send: Transport, name: str = "admin", password: str = "admin") -> Operator:  # noqa: S107 (every local mall's)
        """Logs in."""
        operator = cls(send)
        operator.token = operator.post("/v1/admin/login", {"name": name, "password": password}).ok()["token"]
        return operator

    def product(self, stock: int = 100, price_fen: int = 1990, **more: Any) -> Any:
        """A product on sale with one SKU, unless `skus` says otherwise; a member may hold as many pieces unpaid as an
        order has at most, unless `limit_per_order` says otherwise."""
        skus = more.pop("skus", None) or [
            {"sku_code": f"c{secrets.token_hex(4)}", "specs": {"规格": "标准"}, "price_fen": price_fen, "stock": stock}
        ]
        body = {"name": f"试验品 {secrets.token_hex(3)}", "skus": skus, "publish": True, "limit_per_order": 999, **more}
        return self.post("/v1/admin/products", body).ok(201)

    def group_activity(self, prices: dict[int, int | tuple[int, int]], pieces: int = 100, **more: Any) -> Any:
        """A running group-buy of a product's first SKU, by default of a new one's: the price, or (price, leader's), by
        size."""
        product = more.pop("product", None) or self.product(stock=pieces)
        body = {
            "product_id": product["product_id"], "kind": "fixed", "sizes": list(prices), "lobby_minutes": 30,
            "prices": offered(product["skus"][0]["sku_id"], prices),
            "starts_at": "2020-01-01T00:00:00Z", "ends_at": "2099-01-01T00:00:00Z",
        }  # fmt: skip
        return self.post("/v1/admin/group-activities", body | more).ok(201)

    def stock(self, sku_id: str) -> tuple[int, int]:
        """Pieces of the SKU that are free, and that orders hold; together they are what was supplied."""
        stock = self.get(f"/v1/admin/skus/{sku_id}/stock").ok()
        assert stock["free"] >= 0
        assert stock["free"] + stock["taken"] == stock["supplied"]
        return stock["free"], stock["taken"]

    def grant(self, order_id: str, refund: Any, restock: bool = False) -> Any:
        """Grant a refund that was asked for; `restock` when sent goods came back."""
        path = f"/v1/admin/orders/{order_id}/refunds/{refund['refund_id']}/approve"
        return self.post(path, {"restock": restock}).ok()

    def ship(self, order_id: str, lines: list[tuple[str, int]] | None = None) -> Any:
        """Send a parcel with these lines, or with all that are left."""
        body: dict[str, Any] = {"carrier": "SF", "tracking_no": f"SF{secrets.token_hex(5)}"}
        if lines is not None:
            body["lines"] = [{"sku_id": s, "quantity": q} for s, q in lines]
        return self.post(f"/v1/admin/orders/{order_id}/ship", body).ok()
