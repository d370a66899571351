"""The distribution of `make demo`: one member brings another, earns by their order, and has it paid out by WeChat."""

from __future__ import annotations

import secrets
from typing import Any

from local.demo.stage import DAY, Demo, Person

_RATES = [1000, 500]
_FREEZE_DAYS = 7


def play(demo: Demo) -> None:
    """From the first link to the money in the distributor's hands. Raises Unexpected."""
    seller, link = _become_distributor(demo)
    earned = _sell(demo, seller, link)
    _wait_for_it(demo, seller, earned)
    _withdraw(demo, seller, earned)


def _become_distributor(demo: Demo) -> tuple[Person, Any]:
    """The operator switches distribution on; a member applies, is approved, and makes a link."""
    demo.step("Distribution: the operator switches it on, two paid levels of 10 % and 5 % (three are refused)")
    demo.log_in_operator()
    rules = {"enabled": True, "levels": 2, "rates_bp": _RATES, "freeze_days": _FREEZE_DAYS}
    demo.operator.call("PUT", "/v1/admin/settings/distribution", rules | {"levels": 3}, expect=400, tell="code detail")
    demo.operator.call("PUT", "/v1/admin/settings/distribution", rules, tell="enabled levels rates_bp")
    demo.arrive("沈知鱼")
    seller = demo.shopper
    demo.step("A member applies, which costs nothing; the operator approves; a link to the tea, for a poster")
    applied = seller.call("POST", "/v1/distributor", tell="distributor_id state invite_code")
    demo.operator.call("POST", f"/v1/admin/distributors/{applied['distributor_id']}/approve", tell="state")
    tea = demo.find("茶包")
    link = seller.call(
        "POST", "/v1/distributor/links", {"product_id": tea["product_id"]}, tell="token path qr_code_url poster.title"
    )
    return seller, link | {"product": tea}


def _sell(demo: Demo, seller: Person, link: Any) -> int:
    """Somebody new comes by the link, buys, and pays; what the distributor earns, in fen."""
    demo.arrive("何小满", inviter=link["token"])
    demo.step("Who came by the link is bound, buys two and pays: the commission is there, and pending")
    line = {"sku_id": link["product"]["skus"][0]["sku_id"], "quantity": 2}
    asked = {"lines": [line], "address_id": demo.address_id}
    quote = demo.shopper.call("POST", "/v1/quotes", asked, tell="goods_fen freight_fen payable_fen")
    body = asked | {"expected_payable_fen": quote["payable_fen"]}
    order = demo.shopper.call("POST", "/v1/orders", body, key="demo", expect=201, tell="order_id payable_fen")
    demo.pay(order)
    earned: int = (quote["goods_fen"] - quote["discount_fen"]) * _RATES[0] // 10_000
    has = lambda now: now["pending_fen"] == earned  # noqa: E731
    demo.wait(seller, "/v1/distributor", has, "pending_fen available_fen today_fen")
    seller.call("GET", "/v1/distributor/customers?level=1", tell="items.nickname items.orders items.paid_fen")
    tell = "items.base_fen items.rate_bp items.amount_fen items.state"
    seller.call("GET", "/v1/distributor/commissions", tell=tell)
    demo.step("It is sent and received; the days begin after which the commission can be withdrawn")
    demo.log_in_operator()
    parcel = {"carrier": "SF", "tracking_no": f"SF{secrets.randbelow(10**10):010d}"}
    demo.operator.call("POST", f"/v1/admin/orders/{order['order_id']}/ship", parcel, tell="state")
    demo.shopper.call("POST", f"/v1/orders/{order['order_id']}/receive", tell="state")
    return earned


def _wait_for_it(demo: Demo, seller: Person, earned: int) -> None:
    """The days pass."""
    demo.advance(_FREEZE_DAYS * DAY + 1)
    has = lambda now: now["available_fen"] == earned  # noqa: E731
    demo.wait(seller, "/v1/distributor", has, "pending_fen available_fen")


def _withdraw(demo: Demo, seller: Person, earned: int) -> None:
    """All of it is withdrawn: WeChat asks the distributor to confirm, and pays."""
    demo.step("All of it is withdrawn; asked for twice with one key it is one withdrawal")
    key = f"demo-{secrets.token_hex(8)}"
    tell = "withdrawal_id state amount_fen tax_fen net_fen"
    path = "/v1/distributor/withdrawals"
    told = [seller.call("POST", path, {"amount_fen": earned}, key=key, expect=201, tell=tell) for _ in range(2)]
    demo.check(told[0]["withdrawal_id"] == told[1]["withdrawal_id"], "the same key made two withdrawals")
    one = f"{path}/{told[0]['withdrawal_id']}"
    demo.wait(seller, one, lambda now: now["state"] == "awaiting_confirmation", "state package_info")
    seller.call("POST", path, {"amount_fen": 100}, key=f"{key}-2", expect=409, tell="code detail")
    demo.step("The distributor confirms in WeChat, which calls back")
    number = told[0]["withdrawal_id"]
    demo.wechat.call("POST", f"/_control/transfers/{number}", {"outcome": "confirm"})
    demo.wait(seller, one, lambda now: now["state"] == "succeeded", "state net_fen")
    seller.call("GET", "/v1/distributor", tell="available_fen withdrawing_fen withdrawn_fen")
    month = demo.clock.ask("/status")["now"][:7]
    tell = "opening_fen earned_fen reversed_fen withdrawn_fen closing_fen"
    seller.call("GET", f"/v1/distributor/statements/{month}", tell=tell)
