"""The purchase of `make demo`, from login to completion; and one that nobody paid."""

from __future__ import annotations

import secrets
from typing import Any

from local.demo.stage import DAY, Demo


def play(demo: Demo) -> None:
    """Both of them. Raises Unexpected."""
    demo.arrive("林小鱼")
    lines = choose(demo)
    order = place(demo, lines)
    demo.pay(order)
    _ship_and_refund(demo, order)
    _complete(demo, order)
    _explain(demo, order)
    _leave_unpaid(demo, lines[0])


def choose(demo: Demo) -> list[dict[str, Any]]:
    """Look around, search, and put two products into the cart; the cart's lines."""
    demo.step("Look around: categories, then a search")
    demo.shopper.call("GET", "/v1/categories", tell="items.name")
    tea = demo.find("茶包")
    cakes = demo.find("桃酥")
    demo.step("Two products into the cart: one box of tea, three of cakes")
    for product, quantity in ((cakes, 3), (tea, 1)):  # what was put in last stands first
        sku = product["skus"][0]
        tell = "lines.name lines.quantity selected_total_fen"
        cart = demo.shopper.call("PUT", f"/v1/cart/lines/{sku['sku_id']}", {"quantity": quantity}, tell=tell)
    return [{"sku_id": line["sku_id"], "quantity": line["quantity"]} for line in cart["lines"]]


def place(demo: Demo, lines: list[dict[str, Any]]) -> Any:
    """Quote, order, and order again with the same key; the order."""
    demo.step("A quote: goods and freight to Shanghai")
    asked = {"from_cart": True, "address_id": demo.address_id}
    quote = demo.shopper.call("POST", "/v1/quotes", asked, tell="goods_fen freight_fen payable_fen")
    demo.step("The order, at the price just seen; and once more with the same Idempotency-Key: the same order")
    body = asked | {"expected_payable_fen": quote["payable_fen"]}
    key = f"demo-{secrets.token_hex(8)}"
    orders = [
        demo.shopper.call("POST", "/v1/orders", body, key=key, expect=201, tell="order_id state payable_fen pay_by")
        for _ in range(2)
    ]
    demo.check(orders[0] == orders[1], "the same Idempotency-Key gave another answer")
    demo.shopper.call("GET", "/v1/cart", tell="selected_total_fen lines.name")
    demo.step("Its stock is taken from now on (free + taken = supplied)")
    for line in lines:
        demo.stock(line["sku_id"])
    return orders[0]


def _ship_and_refund(demo: Demo, order: Any) -> None:
    """Send one line, refund an unsent piece of the other, send the rest."""
    path = f"/v1/orders/{order['order_id']}"
    tea, cakes = order["lines"]
    demo.step("The operator sends the tea; the cakes stay to be sent")
    demo.log_in_operator()
    parcel = {"carrier": "SF", "tracking_no": f"SF{secrets.randbelow(10**10):010d}"}
    first = parcel | {"lines": [{"sku_id": tea["sku_id"], "quantity": tea["quantity"]}]}
    tell = "state lines.name lines.shipped"
    demo.operator.call("POST", f"/v1/admin{path[3:]}/ship", first, tell=tell)
    demo.step("One box of cakes less: it has not been sent, so the refund is granted at once")
    asked = {"reason": "买多了", "lines": [{"sku_id": cakes["sku_id"], "quantity": 1}]}
    key = f"demo-{secrets.token_hex(8)}"
    refund = demo.shopper.call("POST", f"{path}/refunds", asked, key=key, expect=202, tell="refund_id state amount_fen")
    demo.check(refund["state"] == "approved", f"the refund is {refund['state']}")
    demo.stock(cakes["sku_id"])
    demo.step("A few seconds later WeChat has paid it out (the clock is moved)")
    demo.advance(10)
    done = lambda now: [one["state"] for one in now["refunds"]] == ["succeeded"]  # noqa: E731
    demo.wait(demo.shopper, path, done, "refunds.state refunded_fen paid_fen")
    demo.step("The rest is sent")
    rest = parcel | {"tracking_no": f"SF{secrets.randbelow(10**10):010d}"}
    demo.operator.call("POST", f"/v1/admin{path[3:]}/ship", rest, tell=tell)


def _complete(demo: Demo, order: Any) -> None:
    """Let time receive and complete the order."""
    path = f"/v1/orders/{order['order_id']}"
    for days, state, what in (
        (10, "received", "Ten days on, nobody has said that it came: received by time"),
        (7, "completed", "Seven more days, and the time for refunds is over: completed"),
    ):
        demo.step(what)
        demo.advance(days * DAY)
        demo.wait(demo.shopper, path, lambda now, state=state: now["state"] == state, "state")  # type: ignore[misc]


def _explain(demo: Demo, order: Any) -> None:
    """Its history, and its journal, which adds up to the fen."""
    order_id = order["order_id"]
    demo.step("Its history")
    now = demo.shopper.call("GET", f"/v1/orders/{order_id}", tell="state paid_fen refunded_fen")
    for event in now["history"]:
        print(f"        {event['at']}  {event['what']:<18} {event['by']:<16} {event.get('note', '')}")
    demo.step("Its journal: double entry, each entry sums to zero")
    demo.log_in_operator()
    entries = demo.operator.call("GET", f"/v1/admin/orders/{order_id}/ledger", tell="entries.at")["entries"]
    balances: dict[str, int] = {}
    for entry in entries:
        print(f"        {entry['cause'].partition(':')[0]}")
        for posting in entry["postings"]:
            balances[posting["account"]] = balances.get(posting["account"], 0) + posting["amount_fen"]
            print(f"          {posting['account']:<16} {posting['amount_fen']:>8}")
        demo.check(sum(one["amount_fen"] for one in entry["postings"]) == 0, f"{entry['cause']} is not balanced")
    kept = now["paid_fen"] - now["refunded_fen"]
    print(f"        paid {now['paid_fen']} - refunded {now['refunded_fen']} = {kept} fen,")
    owed = -balances["refunds:owed"]
    print(f"        and with WeChat lie {balances['wechat']} fen, refunds still owed {owed}")
    demo.check((balances["wechat"], owed) == (kept, 0), "the journal says something else")


def _leave_unpaid(demo: Demo, line: dict[str, Any]) -> None:
    """Somebody else orders and does not pay: closed by time, and the stock is back."""
    demo.arrive("王大山")
    demo.step("He orders the same tea, and does not pay")
    before = demo.stock(line["sku_id"])
    asked = {"lines": [line], "address_id": demo.address_id}
    quote = demo.shopper.call("POST", "/v1/quotes", asked, tell="payable_fen")
    body = asked | {"expected_payable_fen": quote["payable_fen"]}
    order = demo.shopper.call(
        "POST", "/v1/orders", body, key="demo", expect=201, tell="order_id state payable_fen pay_by"
    )
    taken = demo.stock(line["sku_id"])
    demo.check(taken["free"] == before["free"] - line["quantity"], "the order took no stock")
    demo.step("Sixteen minutes later: closed at WeChat first, then here, and the stock is back")
    demo.advance(16 * 60)
    path = f"/v1/orders/{order['order_id']}"
    demo.wait(demo.shopper, path, lambda now: now["state"] == "closed", "state history.what")
    demo.check(demo.stock(line["sku_id"]) == before, "the stock did not come back")
