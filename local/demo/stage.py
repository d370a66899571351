"""Holds what every part of the play needs: somebody who calls a server, and the stage with all who are on it.

Every HTTP call is shown with its method, path and status and with what its answer tells.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import requests

from local.mall import Mall
from local.owner import NAME, PASSWORD

DAY = 86400
#: Real seconds until something that happens by itself must have happened.
_WAIT_SECONDS = 15.0
_SECONDS, _UPLOAD_SECONDS = 30, 60
_SHOWN_MAX = 60

ADDRESS = {
    "name": "林小鱼", "phone": "13800000000", "region_code": "310115", "province": "上海市", "city": "市辖区",
    "district": "浦东新区", "detail": "世纪大道 1 号", "is_default": True,
}  # fmt: skip


class Unexpected(Exception):
    """A step did not end as it should; the message says how."""


class Person:
    """Somebody with a name who calls a server; every call is printed."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._session = requests.Session()
        self._session.trust_env = False

    def bear(self, token: str) -> None:
        """Call with this token from now on."""
        self._session.headers["Authorization"] = f"Bearer {token}"

    def log_in(self, name: str, password: str) -> None:
        """Log in as an operator. Raises Unexpected."""
        body = {"name": name, "password": password}
        self.bear(self.call("POST", "/v1/admin/login", body, tell="expires_at")["token"])

    def call(
        self, method: str, path: str, body: Any = None, *, tell: str = "", expect: int = 200, key: str = ""
    ) -> Any:
        """The answer. `tell` names the fields to show, as in "state lines.quantity". Raises Unexpected."""
        headers = {"Idempotency-Key": key} if key else {}
        answer = self._session.request(method, self._url + path, json=body, headers=headers, timeout=_SECONDS)
        fields = _expected(answer, f"{method} {path}", expect)
        if tell:
            print("        " + "   ".join(f"{name}: {_shown(_field(fields, name))}" for name in tell.split()))
        return fields

    def upload(self, path: str, file: Path) -> Any:
        """Send a file as it is; the answer. Raises Unexpected."""
        headers = {"Content-Type": "text/plain; charset=utf-8"}
        answer = self._session.post(self._url + path, file.read_bytes(), headers=headers, timeout=_UPLOAD_SECONDS)
        return _expected(answer, f"POST {path}", 200)

    def ask(self, path: str) -> Any:
        """The answer to a question that is asked again and again, unprinted."""
        return self._session.get(self._url + path, timeout=_SECONDS).json()


def _expected(answer: requests.Response, call: str, status: int) -> Any:
    """Print the call and its status; the fields of its answer. Raises Unexpected where that is another."""
    print(f"    {call}  {answer.status_code}")
    if answer.status_code != status:
        raise Unexpected(f"{call} answered {answer.status_code}, not {status}: {answer.text[:500]}")
    return answer.json() if answer.content else {}


def _field(value: Any, name: str) -> Any:
    """`lines.quantity` of an answer: the quantities of its lines; in a list, of every element."""
    for part in name.split("."):
        value = [one.get(part) for one in value] if isinstance(value, list) else value.get(part)
    return value


def _shown(value: Any) -> str:
    text = " ".join("-" if one is None else str(one) for one in value) if isinstance(value, list) else str(value)
    return text if len(text) <= _SHOWN_MAX else text[: _SHOWN_MAX - 1] + "…"


class Demo:
    """The stage: a shopper, an operator, WeChat, and the hand on the clock."""

    def __init__(self, mall: Mall) -> None:
        self.mall = mall
        self.steps = 0
        self.advanced_seconds = 0
        self.wechat = Person(mall.sandbox_url)
        self.clock = Person(mall.control_url)
        self.operator = Person(mall.api_url)
        self.shopper, self.user, self.address_id = Person(mall.api_url), "", ""

    def step(self, what: str) -> None:
        """Say what comes now."""
        self.steps += 1
        print(f"\n{self.steps:2}. {what}")

    def check(self, holds: bool, otherwise: str) -> None:
        """Raise Unexpected unless it holds."""
        if not holds:
            raise Unexpected(otherwise)

    def wait(self, person: Person, path: str, holds: Callable[[Any], bool], tell: str) -> Any:
        """Ask until it is so, and show that answer. Raises Unexpected when it takes too long."""
        deadline = time.monotonic() + _WAIT_SECONDS
        while not holds(person.ask(path)):
            if time.monotonic() > deadline:
                person.call("GET", path, tell=tell)
                raise Unexpected(f"{path} is still like this after {_WAIT_SECONDS:.0f} s")
            time.sleep(0.1)
        return person.call("GET", path, tell=tell)

    def advance(self, seconds: int) -> None:
        """Move the mall's clock forward and let what is due by then happen."""
        self.clock.call("POST", "/clock/advance", {"seconds": seconds}, tell="now")
        self.clock.call("POST", "/jobs/run", tell="ran")
        self.advanced_seconds += seconds

    def arrive(self, name: str, inviter: str = "") -> None:
        """Somebody new logs in, by an inviter's link perhaps, and gives an address in Shanghai."""
        self.shopper = Person(self.mall.api_url)
        self.step(f"{name} logs in: the sandbox plays wx.login, the mall asks it who that is")
        self.user = f"demo-{secrets.token_hex(4)}"
        self.return_({"source": {"inviter": inviter}} if inviter else {})
        address = ADDRESS | {"name": name}
        told = self.shopper.call(
            "POST", "/v1/me/addresses", address, expect=201, tell="address_id province district is_default"
        )
        self.address_id = told["address_id"]

    def return_(self, more: dict[str, Any] | None = None) -> None:
        """Who was here last logs in again: a token lasts for a month at most."""
        code = self.wechat.call("POST", "/_control/login", {"user": self.user}, tell="code")["code"]
        body = {"code": code, **(more or {})}
        login = self.shopper.call("POST", "/v1/auth/login", body, tell="is_new member.member_id")
        self.shopper.bear(login["token"])

    def find(self, word: str) -> Any:
        """The product that a search finds first."""
        found = self.shopper.call("GET", f"/v1/products?q={word}", tell="items.name items.price_fen")["items"]
        self.check(bool(found), f"the mall has no {word}: is this the demonstration mall of `make run`?")
        product_id = found[0]["product_id"]
        return self.shopper.call("GET", f"/v1/products/{product_id}", tell="name skus.price_fen skus.stock")

    def stock(self, sku_id: str) -> Any:
        """A SKU's stock, as operators see it."""
        self.log_in_operator()
        return self.operator.call("GET", f"/v1/admin/skus/{sku_id}/stock", tell="free taken supplied")

    def log_in_operator(self) -> None:
        """Again where the last token has ended: it lasts hours, and this play takes weeks."""
        if "items" not in self.operator.ask("/v1/admin/orders?limit=1"):
            self.operator.log_in(NAME, PASSWORD)

    def pay(self, order: Any) -> None:
        """Start the payment, pay at WeChat, and see the callback come in."""
        self.step("The shopper pays: the mall prepares it, the sandbox plays wx.requestPayment and calls back")
        path = f"/v1/orders/{order['order_id']}"
        payment = self.shopper.call("POST", f"{path}/payment", tell="package signType")
        prepay_id = payment["package"].removeprefix("prepay_id=")
        self.wechat.call("POST", "/_control/pay", {"prepay_id": prepay_id}, tell="transaction_id")
        paid = lambda now: now["state"] == "awaiting_shipment"  # noqa: E731 - reads best where it is used
        self.wait(self.shopper, path, paid, "state paid_fen paid_at")
