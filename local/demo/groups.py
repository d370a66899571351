"""The group-buys of `make demo`: three shoppers fill a lobby; in another nobody joins, and the money goes back."""

from __future__ import annotations

import secrets
from datetime import datetime, timedelta
from typing import Any

from local.demo.stage import Demo

_SIZE = 3
_MINUTES = 24 * 60
_LEADER_FEN, _MEMBER_FEN = 4900, 5900


def play(demo: Demo) -> None:
    """Both of them. Raises Unexpected."""
    activity = _open_activity(demo)
    _fill(demo, activity)
    _expire(demo, activity)


def _open_activity(demo: Demo) -> Any:
    """The operator offers a product to groups of three, for a week."""
    demo.step("Group-buy: the operator offers tea to groups of three, cheaper still for who opens the lobby")
    tea = demo.find("茶包")
    demo.log_in_operator()
    now = datetime.fromisoformat(demo.clock.ask("/status")["now"])
    price = {"size": _SIZE, "price_fen": _MEMBER_FEN, "leader_price_fen": _LEADER_FEN}
    body = {
        "product_id": tea["product_id"], "kind": "fixed", "name": "三人团", "sizes": [_SIZE],
        "prices": [{"sku_id": sku["sku_id"], **price} for sku in tea["skus"]], "lobby_minutes": _MINUTES,
        "starts_at": now.isoformat(), "ends_at": (now + timedelta(days=7)).isoformat(),
    }  # fmt: skip
    tell = "activity_id kind sizes prices.price_fen"
    activity = demo.operator.call("POST", "/v1/admin/group-activities", body, expect=201, tell=tell)
    demo.shopper.call("GET", f"/v1/products/{tea['product_id']}", tell="name activities.kind activities.price_fen")
    return activity


def _fill(demo: Demo, activity: Any) -> None:
    """A leader and two who join; the last payment makes the lobby succeed."""
    order, lobby = _sit(demo, "林小鱼", activity, {"activity_id": activity["activity_id"], "size": _SIZE})
    orders = [(demo.shopper, order)]
    demo.step("Paid by its leader, the lobby shows to others")
    listed = f"/v1/group-activities/{activity['activity_id']}/lobbies"
    demo.shopper.call("GET", listed, tell="items.size items.taken items.left items.expires_at")
    for name in ("江小白鹭", "陈小溪"):
        order, _ = _sit(demo, name, activity, {"lobby_id": lobby})
        orders.append((demo.shopper, order))
    demo.step("The last seat is paid: the lobby has succeeded, and its three orders go to shipping")
    demo.shopper.call("GET", f"/v1/lobbies/{lobby}", tell="state taken members.nickname")
    for shopper, order in orders:
        ships = lambda now: now["state"] == "awaiting_shipment"  # noqa: E731
        demo.wait(shopper, f"/v1/orders/{order}", ships, "state paid_fen group.seat_state")


def _expire(demo: Demo, activity: Any) -> None:
    """A lobby in which the leader stays alone: a day later every fen is back."""
    order, lobby = _sit(demo, "周小舟", activity, {"activity_id": activity["activity_id"], "size": _SIZE})
    demo.step("Nobody joins. A day later the lobby has failed, and the money is on its way back without any clerk")
    demo.advance(_MINUTES * 60 + 1)
    demo.shopper.call("GET", f"/v1/lobbies/{lobby}", tell="state taken size")
    demo.advance(10)
    done = lambda now: [one["state"] for one in now["refunds"]] == ["succeeded"]  # noqa: E731
    now = demo.wait(demo.shopper, f"/v1/orders/{order}", done, "state paid_fen refunded_fen refunds.reason")
    demo.check((now["state"], now["refunded_fen"]) == ("closed", now["paid_fen"]), "not every fen came back")
    for event in now["history"]:
        print(f"        {event['at']}  {event['what']:<18} {event['by']:<16} {event.get('note', '')}")


def _sit(demo: Demo, name: str, activity: Any, group: dict[str, Any]) -> tuple[str, str]:
    """Somebody new takes a seat and pays; their order, and the lobby."""
    demo.arrive(name)
    demo.shopper.call("PATCH", "/v1/me", {"nickname": name}, tell="nickname")
    demo.step(
        f"{name} {'opens a lobby' if 'activity_id' in group else 'joins'}: an order with a group, and its payment"
    )
    line = {"sku_id": activity["prices"][0]["sku_id"], "quantity": 1}
    asked = {"lines": [line], "address_id": demo.address_id, "group": group}
    quote = demo.shopper.call("POST", "/v1/quotes", asked, tell="lines.unit_price_fen freight_fen payable_fen")
    body = asked | {"expected_payable_fen": quote["payable_fen"]}
    tell = "order_id state pay_by group.seat_state"
    order = demo.shopper.call("POST", "/v1/orders", body, key=f"demo-{secrets.token_hex(8)}", expect=201, tell=tell)
    path = f"/v1/orders/{order['order_id']}"
    payment = demo.shopper.call("POST", f"{path}/payment", tell="signType")
    prepay_id = payment["package"].removeprefix("prepay_id=")
    demo.wechat.call("POST", "/_control/pay", {"prepay_id": prepay_id}, tell="transaction_id")
    demo.wait(demo.shopper, path, lambda now: now["paid_fen"] > 0, "state paid_fen group.seat_state")
    return order["order_id"], order["group"]["lobby_id"]
