"""The segments of `make demo`: a rule is tried and kept, a member comes into it by what she does and leaves it by what
she buys; and she goes from new to first_order to silent, the last by the clock alone."""

from __future__ import annotations

import secrets
import uuid
from datetime import datetime, timedelta
from typing import Any

from local.demo.stage import DAY, Demo

_FIRST_ORDER_DAYS, _REFUND_DAYS = 30, 7
#: Everybody is looked at for a new segment from then on, in seconds.
_FENCE = 36
#: A list is brought up to date by the quarter of a minute.
_GRAIN = 16


def play(demo: Demo) -> None:
    """From the rule to the silent member. Raises Unexpected."""
    tea, segment_id = _define(demo)
    demo.arrive("顾小鱼")
    member_id = demo.shopper.call("GET", "/v1/me", tell="segment segments.name")["member_id"]
    _look(demo, tea, segment_id, member_id)
    _buy(demo, tea)
    _fall_silent(demo, member_id)
    demo.step("The segment of looks without a purchase is taken away again")
    demo.log_in_operator()
    demo.operator.call("DELETE", f"/v1/admin/segments/{segment_id}", expect=204)


def _define(demo: Demo) -> tuple[Any, str]:
    """The operator tries a rule and keeps it; the tea, and the segment's id."""
    demo.step(
        "Segments: the operator tries a rule, who has looked at the tea twice in a week and bought nothing in 30 days"
    )
    tea = demo.find("茶包")
    looked = {
        "event": "product_view",
        "where": {"product_id": tea["product_id"]},
        "within_days": 7,
        "op": ">=",
        "count": 2,
    }
    bought = {"purchases": "count", "within_days": 30, "op": ">=", "value": 1}
    rule = {"all": [looked, {"not": bought}]}
    demo.log_in_operator()
    demo.operator.call("POST", "/v1/admin/segments/preview", {"rule": rule}, tell="members count")
    demo.step(
        "It is kept, shown to its members, and everybody is looked at for it; the five of the life cycle are there"
    )
    body = {"name": "看了没买", "rule": rule, "shown": True}
    made = demo.operator.call("POST", "/v1/admin/segments", body, expect=201, tell="segment_id state")
    path = f"/v1/admin/segments/{made['segment_id']}"
    demo.advance(_FENCE)
    demo.wait(demo.operator, path, lambda now: now["state"] == "live", "state count as_of")
    demo.operator.call("GET", "/v1/admin/segments", tell="items.segment_id")
    return tea, made["segment_id"]


def _look(demo: Demo, tea: Any, segment_id: str, member_id: str) -> None:
    """She looks at the tea twice: in the segment at once, and the operator is told why."""
    demo.step("She looks at the tea twice: one batch of events, sent once more for the answer was lost, counts once")
    now = datetime.fromisoformat(demo.clock.ask("/status")["now"])
    view = {"name": "product_view", "props": {"product_id": tea["product_id"], "from": "home"}}
    events = [
        view | {"event_id": secrets.token_hex(8), "at": (now - timedelta(minutes=ago)).isoformat()} for ago in (5, 1)
    ]
    text = str(uuid.uuid4())
    batch = {"batch_id": f"{text[:14]}7{text[15:]}", "sent_at": now.isoformat(), "events": events}
    for _ in range(2):
        demo.shopper.call("POST", "/v1/me/events", batch, expect=202, tell="accepted dropped")
    me = demo.shopper.call("GET", "/v1/me", tell="segment segments.name")
    demo.check([one["segment_id"] for one in me["segments"]] == [segment_id], "she is not in the segment")
    demo.step("The operator sees her on the list, and why")
    path = f"/v1/admin/segments/{segment_id}"
    demo.log_in_operator()
    there = lambda now: member_id in [one["member_id"] for one in now["items"]]  # noqa: E731
    demo.wait(demo.operator, f"{path}/members", there, "items.nickname items.since")
    demo.operator.call("GET", f"{path}/members/{member_id}", tell="inside since why.until why.parts.holds")


def _buy(demo: Demo, tea: Any) -> None:
    """She buys and receives it; after the days for refunds the order is completed, and she is a first-time customer."""
    demo.step("She buys the tea: paid, she is in the segment no more")
    asked = {"lines": [{"sku_id": tea["skus"][0]["sku_id"], "quantity": 1}], "address_id": demo.address_id}
    quote = demo.shopper.call("POST", "/v1/quotes", asked, tell="payable_fen")
    body = asked | {"expected_payable_fen": quote["payable_fen"]}
    order = demo.shopper.call("POST", "/v1/orders", body, key="demo", expect=201, tell="order_id payable_fen")
    demo.pay(order)
    me = demo.shopper.call("GET", "/v1/me", tell="segment segments.name")
    demo.check((me["segment"], me["segments"]) == ("new", []), "a purchase is not counted at once")
    demo.step("Sent, received, and the days for refunds over: completed, and she passes from new to first_order")
    demo.log_in_operator()
    parcel = {"carrier": "SF", "tracking_no": f"SF{secrets.randbelow(10**10):010d}"}
    demo.operator.call("POST", f"/v1/admin/orders/{order['order_id']}/ship", parcel, tell="state")
    demo.shopper.call("POST", f"/v1/orders/{order['order_id']}/receive", tell="state")
    demo.advance(_REFUND_DAYS * DAY)
    demo.wait(demo.shopper, "/v1/me", lambda now: now["segment"] == "first_order", "segment")


def _fall_silent(demo: Demo, member_id: str) -> None:
    """Thirty days later she is silent, though nothing has happened."""
    demo.step("Nothing happens for 30 days less a minute: still first_order")
    demo.advance(_FIRST_ORDER_DAYS * DAY - 60)
    demo.return_()
    me = demo.shopper.call("GET", "/v1/me", tell="segment")
    demo.check(me["segment"] == "first_order", "she has left first_order too early")
    demo.step("A minute more: silent, by the clock alone, to the millisecond; lists and counts follow within a minute")
    demo.advance(60)
    me = demo.shopper.call("GET", "/v1/me", tell="segment")
    demo.check(me["segment"] == "silent", "time has not made her silent")
    demo.advance(_GRAIN)
    demo.clock.call("GET", "/status", tell="segments.due jobs.due")
    demo.log_in_operator()
    demo.operator.call("GET", "/v1/admin/segments/silent", tell="count as_of")
    history = demo.operator.call("GET", f"/v1/admin/members/{member_id}/segment-history")
    for move in reversed(history["items"]):
        print(f"        {move['at']}  {'+' if move['came'] else '-'} {move['name']}")
    lived = [one["segment_id"] for one in reversed(history["items"]) if one["came"] and len(one["segment_id"]) < 12]
    demo.check(lived == ["new", "first_order", "silent"], f"her life cycle was {lived}")
