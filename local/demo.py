"""`make demo`: one purchase, from login to completion, in the mall that `make run` opened; one that nobody paid; one
with a promotion and a coupon; two group-buys, one that fills and one that does not; and a commission, to the money.

Every HTTP call is shown with its method, path and status and with what its answer tells. It ends with status 1 at
the first step that is not as it should be.
"""

from __future__ import annotations

import secrets
import sys
import time
from collections.abc import Callable
from typing import Any

import requests

from local import demo_coupons, demo_distribution, demo_groups
from local.demo_mall import NAME, PASSWORD
from local.mall import Mall, running
from local.processes import StartError

DAY = 86400
#: Real seconds until something that happens by itself must have happened.
_WAIT_SECONDS = 15.0
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

    def call(
        self, method: str, path: str, body: Any = None, *, tell: str = "", expect: int = 200, key: str = ""
    ) -> Any:
        """The answer. `tell` names the fields to show, as in "state lines.quantity". Raises Unexpected."""
        headers = {"Idempotency-Key": key} if key else {}
        answer = self._session.request(method, self._url + path, json=body, headers=headers, timeout=30)
        fields = answer.json() if answer.content else {}
        print(f"    {method} {path}  {answer.status_code}")
        if answer.status_code != expect:
            raise Unexpected(f"{method} {path} answered {answer.status_code}, not {expect}: {answer.text[:500]}")
        if tell:
            print("        " + "   ".join(f"{name}: {_shown(_field(fields, name))}" for name in tell.split()))
        return fields

    def ask(self, path: str) -> Any:
        """The answer to a question that is asked again and again, unprinted."""
        return self._session.get(self._url + path, timeout=30).json()


def _field(value: Any, name: str) -> Any:
    """`lines.quantity` of an answer: the quantities of its lines; in a list, of every element."""
    for part in name.split("."):
        value = [one.get(part) for one in value] if isinstance(value, list) else value.get(part)
    return value


def _shown(value: Any) -> str:
    text = " ".join("-" if one is None else str(one) for one in value) if isinstance(value, list) else str(value)
    return text if len(text) <= _SHOWN_MAX else text[: _SHOWN_MAX - 1] + "…"


class Demo:
    """The play: a shopper, an operator, WeChat, and the hand on the clock."""

    def __init__(self, mall: Mall) -> None:
        self._mall = mall
        self._steps = 0
        self.advanced_seconds = 0
        self.wechat = Person(mall.sandbox_url)
        self.clock = Person(mall.control_url)
        self.operator = Person(mall.api_url)
        self.shopper, self.address_id = Person(mall.api_url), ""

    def play(self) -> None:
        """The whole of it. Raises Unexpected."""
        self.arrive("林小鱼")
        lines = self.choose()
        order = self.place(lines)
        self.pay(order)
        self.ship_and_refund(order)
        self.complete(order)
        self.explain(order)
        self.leave_unpaid(lines[0])
        demo_coupons.play(self)
        demo_groups.play(self)
        demo_distribution.play(self)
        self.step("The audit: orders, journal, stock, coupons and WeChat's books against each other (`make audit`)")
        print(self._mall.run("local.audit"), end="")

    def step(self, what: str) -> None:
        """Say what comes now."""
        self._steps += 1
        print(f"\n{self._steps:2}. {what}")

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
        self.shopper = Person(self._mall.api_url)
        self.step(f"{name} logs in: the sandbox plays wx.login, the mall asks it who that is")
        user = f"demo-{secrets.token_hex(4)}"
        code = self.wechat.call("POST", "/_control/login", {"user": user}, tell="code")["code"]
        body = {"code": code} | ({"source": {"inviter": inviter}} if inviter else {})
        login = self.shopper.call("POST", "/v1/auth/login", body, tell="is_new member.member_id")
        self.shopper.bear(login["token"])
        address = ADDRESS | {"name": name}
        told = self.shopper.call(
            "POST", "/v1/me/addresses", address, expect=201, tell="address_id province district is_default"
        )
        self.address_id = told["address_id"]

    def choose(self) -> list[dict[str, Any]]:
        """Look around, search, and put two products into the cart; the cart's lines."""
        self.step("Look around: categories, then a search")
        self.shopper.call("GET", "/v1/categories", tell="items.name")
        tea = self.find("茶包")
        cakes = self.find("桃酥")
        self.step("Two products into the cart: one box of tea, three of cakes")
        for product, quantity in ((cakes, 3), (tea, 1)):  # what was put in last stands first
            sku = product["skus"][0]
            tell = "lines.name lines.quantity selected_total_fen"
            cart = self.shopper.call("PUT", f"/v1/cart/lines/{sku['sku_id']}", {"quantity": quantity}, tell=tell)
        return [{"sku_id": line["sku_id"], "quantity": line["quantity"]} for line in cart["lines"]]

    def find(self, word: str) -> Any:
        """The product that a search finds first."""
        found = self.shopper.call("GET", f"/v1/products?q={word}", tell="items.name items.price_fen")["items"]
        self.check(bool(found), f"the mall has no {word}: is this the demonstration mall of `make run`?")
        product_id = found[0]["product_id"]
        return self.shopper.call("GET", f"/v1/products/{product_id}", tell="name skus.price_fen skus.stock")

    def place(self, lines: list[dict[str, Any]]) -> Any:
        """Quote, order, and order again with the same key; the order."""
        self.step("A quote: goods and freight to Shanghai")
        asked = {"from_cart": True, "address_id": self.address_id}
        quote = self.shopper.call("POST", "/v1/quotes", asked, tell="goods_fen freight_fen payable_fen")
        self.step("The order, at the price just seen; and once more with the same Idempotency-Key: the same order")
        body = asked | {"expected_payable_fen": quote["payable_fen"]}
        key = f"demo-{secrets.token_hex(8)}"
        orders = [
            self.shopper.call("POST", "/v1/orders", body, key=key, expect=201, tell="order_id state payable_fen pay_by")
            for _ in range(2)
        ]
        self.check(orders[0] == orders[1], "the same Idempotency-Key gave another answer")
        self.shopper.call("GET", "/v1/cart", tell="selected_total_fen lines.name")
        self.step("Its stock is taken from now on (free + taken = supplied)")
        for line in lines:
            self.stock(line["sku_id"])
        return orders[0]

    def stock(self, sku_id: str) -> Any:
        """A SKU's stock, as operators see it."""
        self.log_in_operator()
        return self.operator.call("GET", f"/v1/admin/skus/{sku_id}/stock", tell="free taken supplied")

    def log_in_operator(self) -> None:
        """Again where the last token has ended: it lasts hours, and this play takes weeks."""
        if "items" not in self.operator.ask("/v1/admin/orders?limit=1"):
            body = {"name": NAME, "password": PASSWORD}
            self.operator.bear(self.operator.call("POST", "/v1/admin/login", body, tell="expires_at")["token"])

    def pay(self, order: Any) -> None:
        """Start the payment, pay at WeChat, and see the callback come in."""
        self.step("The shopper pays: the mall prepares it, the sandbox plays wx.requestPayment and calls back")
        path = f"/v1/orders/{order['order_id']}"
        payment = self.shopper.call("POST", f"{path}/payment", tell="package signType")
        prepay_id = payment["package"].removeprefix("prepay_id=")
        self.wechat.call("POST", "/_control/pay", {"prepay_id": prepay_id}, tell="transaction_id")
        paid = lambda now: now["state"] == "awaiting_shipment"  # noqa: E731 - reads best where it is used
        self.wait(self.shopper, path, paid, "state paid_fen paid_at")

    def ship_and_refund(self, order: Any) -> None:
        """Send one line, refund an unsent piece of the other, send the rest."""
        path = f"/v1/orders/{order['order_id']}"
        tea, cakes = order["lines"]
        self.step("The operator sends the tea; the cakes stay to be sent")
        self.log_in_operator()
        parcel = {"carrier": "SF", "tracking_no": f"SF{secrets.randbelow(10**10):010d}"}
        first = parcel | {"lines": [{"sku_id": tea["sku_id"], "quantity": tea["quantity"]}]}
        tell = "state lines.name lines.shipped"
        self.operator.call("POST", f"/v1/admin{path[3:]}/ship", first, tell=tell)
        self.step("One box of cakes less: it has not been sent, so the refund is granted at once")
        asked = {"reason": "买多了", "lines": [{"sku_id": cakes["sku_id"], "quantity": 1}]}
        key = f"demo-{secrets.token_hex(8)}"
        refund = self.shopper.call(
            "POST", f"{path}/refunds", asked, key=key, expect=202, tell="refund_id state amount_fen"
        )
        self.check(refund["state"] == "approved", f"the refund is {refund['state']}")
        self.stock(cakes["sku_id"])
        self.step("A few seconds later WeChat has paid it out (the clock is moved)")
        self.advance(10)
        done = lambda now: [one["state"] for one in now["refunds"]] == ["succeeded"]  # noqa: E731
        self.wait(self.shopper, path, done, "refunds.state refunded_fen paid_fen")
        self.step("The rest is sent")
        rest = parcel | {"tracking_no": f"SF{secrets.randbelow(10**10):010d}"}
        self.operator.call("POST", f"/v1/admin{path[3:]}/ship", rest, tell=tell)

    def complete(self, order: Any) -> None:
        """Let time receive and complete the order."""
        path = f"/v1/orders/{order['order_id']}"
        for days, state, what in (
            (10, "received", "Ten days on, nobody has said that it came: received by time"),
            (7, "completed", "Seven more days, and the time for refunds is over: completed"),
        ):
            self.step(what)
            self.advance(days * DAY)
            self.wait(self.shopper, path, lambda now, state=state: now["state"] == state, "state")  # type: ignore[misc]

    def explain(self, order: Any) -> None:
        """Its history, and its journal, which adds up to the fen."""
        order_id = order["order_id"]
        self.step("Its history")
        now = self.shopper.call("GET", f"/v1/orders/{order_id}", tell="state paid_fen refunded_fen")
        for event in now["history"]:
            print(f"        {event['at']}  {event['what']:<18} {event['by']:<16} {event.get('note', '')}")
        self.step("Its journal: double entry, each entry sums to zero")
        self.log_in_operator()
        entries = self.operator.call("GET", f"/v1/admin/orders/{order_id}/ledger", tell="entries.at")["entries"]
        balances: dict[str, int] = {}
        for entry in entries:
            print(f"        {entry['cause'].partition(':')[0]}")
            for posting in entry["postings"]:
                balances[posting["account"]] = balances.get(posting["account"], 0) + posting["amount_fen"]
                print(f"          {posting['account']:<16} {posting['amount_fen']:>8}")
            self.check(sum(one["amount_fen"] for one in entry["postings"]) == 0, f"{entry['cause']} is not balanced")
        kept = now["paid_fen"] - now["refunded_fen"]
        print(f"        paid {now['paid_fen']} - refunded {now['refunded_fen']} = {kept} fen,")
        owed = -balances["refunds:owed"]
        print(f"        and with WeChat lie {balances['wechat']} fen, refunds still owed {owed}")
        self.check((balances["wechat"], owed) == (kept, 0), "the journal says something else")

    def leave_unpaid(self, line: dict[str, Any]) -> None:
        """Somebody else orders and does not pay: closed by time, and the stock is back."""
        self.arrive("王大山")
        self.step("He orders the same tea, and does not pay")
        before = self.stock(line["sku_id"])
        asked = {"lines": [line], "address_id": self.address_id}
        quote = self.shopper.call("POST", "/v1/quotes", asked, tell="payable_fen")
        body = asked | {"expected_payable_fen": quote["payable_fen"]}
        order = self.shopper.call(
            "POST", "/v1/orders", body, key="demo", expect=201, tell="order_id state payable_fen pay_by"
        )
        taken = self.stock(line["sku_id"])
        self.check(taken["free"] == before["free"] - line["quantity"], "the order took no stock")
        self.step("Sixteen minutes later: closed at WeChat first, then here, and the stock is back")
        self.advance(16 * 60)
        path = f"/v1/orders/{order['order_id']}"
        self.wait(self.shopper, path, lambda now: now["state"] == "closed", "state history.what")
        self.check(self.stock(line["sku_id"]) == before, "the stock did not come back")

    def sum_up(self) -> None:
        """What has been seen, and what stays."""
        days = self.advanced_seconds / DAY
        print(
            f"\nAll {self._steps} steps were as they should be. One order was paid, refunded in part, sent in two\n"
            "parcels, received and completed; one was closed unpaid, and its stock came back. A promotion and a\n"
            "coupon came off a third, which says so. Three shoppers filled a lobby; another lobby expired, and its\n"
            "leader has every fen back. A member brought another, and has the commission in her hands.\n"
            f"The clock of this mall is {days:.1f} days further than before, and stays so: tokens from before may\n"
            "have ended, and orders that others left unpaid are closed. `make clean` begins a new mall."
        )


def main() -> int:
    """Play; the exit status."""
    try:
        demo = Demo(running())
        demo.play()
    except (StartError, Unexpected) as fault:
        print(f"demo: {fault}", file=sys.stderr)
        return 1
    except requests.RequestException as fault:
        print(f"demo: the mall went away ({type(fault).__name__})", file=sys.stderr)
        return 1
    demo.sum_up()
    return 0


if __name__ == "__main__":
    sys.exit(main())
