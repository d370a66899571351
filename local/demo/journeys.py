"""The journey of `make demo`: the ladder that the mall brings with it, over months of the clock. Who joins and does not
buy is given more and more off; as soon as she buys, less and less; and each message goes out once, by SMS."""

from __future__ import annotations

import secrets
from typing import Any

from local.demo.stage import DAY, Demo

#: Percent off at each rung, by the name of its slot.
_RUNGS = {"down_15": 15, "down_57": 57, "down_72": 72, "up_57": 57, "up_42": 42, "up_5": 5}
#: A day's morning comes before what was told in the evening goes out, and runs are woken by the quarter of a minute.
_MORNING = DAY // 2 + 60
_LOOKS = 16
_JOURNEYS = "/v1/admin/journeys"


def play(demo: Demo) -> None:
    """From the draft to the report. Raises Unexpected."""
    tea = demo.find("茶包")
    journey_id = _publish(demo)
    member_id = _join(demo)
    _go_down(demo)
    _go_up(demo, tea)
    _sum_up(demo, journey_id, member_id)


def _publish(demo: Demo) -> str:
    """The operator drafts the ladder, chooses its coupons and words, and publishes it; the journey's id."""
    demo.step("Journeys: the mall brings eight with it; the operator takes the ladder, whose slots are open still")
    demo.log_in_operator()
    demo.operator.call("GET", f"{_JOURNEYS}/built-in", tell="items.built_in")
    made = demo.operator.call("POST", _JOURNEYS, {"built_in": "ladder"}, expect=201, tell="journey_id problems.step")
    path = f"{_JOURNEYS}/{made['journey_id']}"
    demo.operator.call("POST", f"{path}/publish", expect=422, tell="code")
    demo.step("Six coupons, each with a ceiling, and the words that go with them; then it is published")
    chosen = {slot: _coupon(demo, slot) for slot in _RUNGS}
    words = _words(demo)
    body = {"built_in": "ladder", "templates": {**chosen, "tell_down": words, "tell_up": words}}
    demo.operator.call("DELETE", f"{path}/draft", expect=204)
    made = demo.operator.call("POST", _JOURNEYS, body, expect=201, tell="journey_id name state")
    path = f"{_JOURNEYS}/{made['journey_id']}"
    demo.operator.call("POST", f"{path}/publish", tell="version")
    return str(made["journey_id"])


def _name(slot: str) -> str:
    return f"{'等您' if slot.startswith('down') else '感谢'}减{_RUNGS[slot]}%券"


def _coupon(demo: Demo, slot: str) -> str:
    template = {
        "name": _name(slot), "kind": "percent_off", "percent_off": _RUNGS[slot], "ceiling_fen": 3000,
        "total": 100, "limit_per_member": 1, "valid": {"days": 60}, "how": ["journey"],
    }  # fmt: skip
    made = demo.operator.call("POST", "/v1/admin/coupon-templates", template, expect=201)
    demo.operator.call("POST", f"/v1/admin/coupon-templates/{made['template_id']}/publish", tell="state")
    return str(made["template_id"])


def _words(demo: Demo) -> str:
    """One SMS for all rungs: it says which coupon was given."""
    text = "{coupon}已到账，快来看看，拒收请回复R"
    template = {
        "name": "送券", "medium": "sms", "purpose": "marketing", "text": text, "vars": ["coupon"],
        "forms": {"sms": {"template_id": "SMS_2003", "fields": {"text": "{coupon}已到账，快来看看"}}},
    }  # fmt: skip
    made = demo.operator.call("POST", "/v1/admin/message-templates", template, expect=201, tell="template_id purpose")
    return str(made["template_id"])


def _join(demo: Demo) -> str:
    """Somebody joins, and agrees to be told of offers by SMS; who she is."""
    demo.arrive("贺兰")
    code = demo.wechat.call("POST", "/_control/phone", {"user": demo.user})["code"]
    demo.shopper.call("POST", "/v1/me/phone", {"code": code}, tell="phone")
    demo.shopper.call("PUT", "/v1/me/preferences", {"media": {"sms": True}}, tell="marketing media.sms")
    demo.advance(1)  # she comes in by a job
    return str(demo.shopper.call("GET", "/v1/me")["member_id"])


def _go_down(demo: Demo) -> None:
    """She does not buy: the ladder goes down, a coupon and an SMS each time."""
    for days, slot in ((30, "down_15"), (7, "down_57"), (7, "down_72")):
        demo.step(f"{days} days without a purchase: {_RUNGS[slot]} % off, and an SMS in the morning")
        demo.advance(days * DAY + _LOOKS)
        demo.return_()
        demo.wait(demo.shopper, "/v1/me/coupons?state=unused", _has(slot), "items.name items.valid_until")
        demo.advance(_MORNING)
        _check_told(demo, slot)


def _has(slot: str) -> Any:
    return lambda now: _name(slot) in [one["name"] for one in now["items"]]


def _check_told(demo: Demo, slot: str) -> None:
    """The vendor of SMS has what was said."""
    said = f"{_name(slot)}已到账"
    outbox = demo.wechat.call("GET", "/_control/outbox")["items"]
    mine = [one["text"] for one in outbox if one["medium"] == "sms" and said in one["text"]]
    print(f"        {mine[-1] if mine else '-'}")
    demo.check(bool(mine), f"nobody was told of {said}")


def _go_up(demo: Demo, tea: Any) -> None:
    """She buys, again and again: less is given each time."""
    for slot in ("up_57", "up_42", "up_5"):
        demo.step(f"She buys the tea: {_RUNGS[slot]} % off the next time")
        asked = {"lines": [{"sku_id": tea["skus"][0]["sku_id"], "quantity": 1}], "address_id": demo.address_id}
        quote = demo.shopper.call("POST", "/v1/quotes", asked, tell="payable_fen")
        body = asked | {"expected_payable_fen": quote["payable_fen"]}
        key = secrets.token_hex(8)
        order = demo.shopper.call("POST", "/v1/orders", body, key=key, expect=201, tell="order_id payable_fen")
        demo.pay(order)
        demo.wait(demo.shopper, "/v1/me/coupons?state=unused", _has(slot), "items.name")
        demo.advance(3 * DAY)
        demo.return_()


def _sum_up(demo: Demo, journey_id: str, member_id: str) -> None:
    """The operator reads her run step by step, and what the journey brought; it ends."""
    demo.step("Her run, step by step: when, why, and what was done; and what the journey brought, and cost")
    demo.log_in_operator()
    runs = demo.operator.call("GET", f"/v1/admin/members/{member_id}/runs", tell="items.journey items.reason")["items"]
    run_id = next(one["run_id"] for one in runs if one["journey_id"] == journey_id)
    for one in demo.operator.call("GET", f"/v1/admin/runs/{run_id}", tell="state reason")["passed"]:
        print(f"        {one['at']}  {one['step'] or 'end'}  {one.get('why', '')}  {one.get('done', '')}")
    report = demo.operator.call("GET", f"{_JOURNEYS}/{journey_id}/report", tell="entered ended grants cost_fen")
    demo.check(report["grants"] == {"given": len(_RUNGS)}, f"the ladder gave {report['grants']}")
    demo.check(report["ended"].get("kept") == 1, f"the run has ended otherwise: {report['ended']}")
    demo.operator.call("POST", f"{_JOURNEYS}/{journey_id}/end", {"runs": "exit"}, tell="state")
