"""One person has one member: what two had is what one has afterwards, and neither phone notices but by having more."""

from __future__ import annotations

import secrets
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from local.client import (
    PATIENCE_SECONDS,
    SHANGHAI,
    Answer,
    Client,
    Control,
    Operator,
    Sandbox,
    Shopper,
    coupon_template,
    over_http,
    poll,
)
from local.mall import Mall
from tests.support.groups import agree
from tests.support.uploads import begin

DAY = 86_400
#: So soon everything is one person's.
SECONDS = 60
WITHDRAWN = 200
LIFE_CYCLE = ("new", "first_order", "repeat", "loyal", "silent")


@pytest.fixture
def other(arrive: Callable[[], Shopper]) -> Shopper:
    return arrive()


def balance(shopper: Shopper) -> int:
    told = shopper.get("/v1/distributor").ok()
    return sum(told[f"{kind}_fen"] for kind in ("pending", "available", "withdrawing"))


def becomes_distributor(shopper: Shopper, operator: Operator, code: str = "") -> str:
    """The shopper is a distributor, after they came by that code; their own."""
    login = {"code": shopper.login_code()} | ({"source": {"inviter": code}} if code else {})
    shopper.post("/v1/auth/login", login).ok()
    told = shopper.post("/v1/distributor").ok()
    operator.post(f"/v1/admin/distributors/{told['distributor_id']}/approve").ok()
    own: str = told["invite_code"]
    return own


class Life:
    """A shopper with everything: an unpaid order that holds a coupon, another coupon, an order that was received, a
    seat in an open lobby, a cart, two addresses, an inviter, a customer whose purchase brought a commission, a message
    and a task by a journey that they are in, and wishes of what they are written to by."""

    def __init__(self, shopper: Shopper, arrive: Callable[[], Shopper], operator: Operator, mall: dict[str, Any]):
        self.shopper, self.operator, self.member_id = shopper, operator, shopper.member_id
        self.inviter = arrive()
        self.invited_by = becomes_distributor(self.inviter, operator)
        self.code = becomes_distributor(shopper, operator, self.invited_by)
        customer = arrive()
        login = {"code": customer.login_code(), "source": {"inviter": self.code}}
        customer.post("/v1/auth/login", login).ok()
        poll(lambda: shopper.get("/v1/distributor/customers?level=1").ok()["items"])
        self._received(customer, customer.buy([(mall["sku"], 2)]))
        self._sells(mall)
        self._does(mall)
        self._is_written_to(mall)
        shopper.post("/v1/me/addresses", {**mall["address"], "detail": secrets.token_hex(4)}).ok(201)
        shopper.call("PUT", f"/v1/cart/lines/{mall['sku']}", {"quantity": mall["pieces"]}).ok()
        for template in mall["templates"]:
            shopper.post(f"/v1/coupon-templates/{template}/claim").ok(201)
        self._received(shopper, shopper.buy([(mall["sku"], 1)]))
        shopper.buy([(mall["few"], 2)])
        self.seat = shopper.open_lobby(mall["activity"])
        body = shopper.order_body([(mall["sku"], 3)])
        (locked, *_) = (one["coupon_id"] for one in self.coupons("unused"))
        body |= {"coupon_ids": [locked]}
        body["expected_payable_fen"] = self._price(body)
        self.key, self.body = secrets.token_hex(8), body
        self.unpaid = shopper.post("/v1/orders", body, key=self.key).ok(201)["order_id"]

    def _received(self, customer: Shopper, order_id: str) -> None:
        parcel = {"carrier": "SF", "tracking_no": f"SF{secrets.token_hex(5)}"}
        self.operator.post(f"/v1/admin/orders/{order_id}/ship", parcel).ok()
        customer.post(f"/v1/orders/{order_id}/receive").ok()

    def _sells(self, mall: dict[str, Any]) -> None:
        """They share a link, and take a part of what they earned out."""
        self.shopper.post("/v1/distributor/links", {"product_id": mall["product"]}).ok()
        mall["run"](1)
        poll(lambda: self.shopper.get("/v1/distributor").ok()["available_fen"] > WITHDRAWN)
        asked = {"amount_fen": WITHDRAWN}
        number = self.shopper.post("/v1/distributor/withdrawals", asked, key=secrets.token_hex(8)).ok(201)
        poll(lambda: self._withdrawal(number["withdrawal_id"]) == "awaiting_confirmation")
        self.shopper.sandbox.post(f"transfers/{number['withdrawal_id']}", {"outcome": "confirm"})
        poll(lambda: self._withdrawal(number["withdrawal_id"]) == "succeeded")

    def _withdrawal(self, number: str) -> str:
        state: str = self.shopper.get(f"/v1/distributor/withdrawals/{number}").ok()["state"]
        return state

    def _does(self, mall: dict[str, Any]) -> None:
        """They come by a channel and to a live room, look at something, begin an upload, share a coupon, and mistype a
        code."""
        shopper = self.shopper
        for way in ({"channel": "window"}, {"live_room": mall["room"]}):
            shopper.post("/v1/me/visits", way).ok()
        now = mall["now"]()
        text = f"{secrets.token_hex(4)}-{secrets.token_hex(2)}-7abc-8abc-{secrets.token_hex(6)}"
        viewed = {"event_id": "e1", "name": "product_view", "at": now,
                  "props": {"product_id": mall["product"], "from": "home"}}  # fmt: skip
        shopper.post("/v1/me/events", {"batch_id": text, "sent_at": now, "events": [viewed]}).ok(202)
        begin(shopper)
        shopper.post("/v1/me/coupons/share", {"template_id": mall["shared"]}).ok()
        shopper.post("/v1/coupon-codes/redeem", {"code": secrets.token_hex(8).upper()}).refused(404, "code_unknown")

    def _is_written_to(self, mall: dict[str, Any]) -> None:
        """They let two messages through, say when they want none, and are let into a journey, which writes to them."""
        for _ in range(2):
            asked = {"user": self.shopper.user, "template_id": "sub-shipped", "accept": True}
            self.shopper.sandbox.post("subscribe", asked)
        wishes = {"media": {"sms": True}, "quiet": {"from": "03:00", "until": "04:00"}}
        self.shopper.put("/v1/me/preferences", wishes).ok()
        path, asked = f"/v1/admin/journeys/{mall['journey']}/enter", {"members": [self.member_id]}
        assert self.operator.post(path, asked, key=secrets.token_hex(8)).ok()["entered"] == 1

    def written(self) -> Counter[str]:
        """How much there is of what they are written to by, as they export it."""
        found: Counter[str] = Counter()
        cursor: str | None = ""
        while cursor is not None:
            part = self.shopper.get(f"/v1/me/export{cursor and f'?cursor={cursor}'}").ok()
            cursor = part["next_cursor"]
            for name in ("messages", "tasks", "journeys"):
                found[name] += len(part["sections"].get(name, []))
            for one in part["sections"].get("message_preferences", []):
                found["sends"] += len(one["sends"])
                found["let through"] += sum(each["left"] for each in one["allowances"])
        return found

    def _price(self, body: dict[str, Any]) -> int:
        asked = {name: body[name] for name in ("lines", "address_id", "coupon_ids")}
        payable: int = self.shopper.post("/v1/quotes", asked).ok()["payable_fen"]
        return payable

    def coupons(self, *states: str) -> list[dict[str, Any]]:
        return [one for state in states for one in self.shopper.items(f"/v1/me/coupons?state={state}")]

    def sums(self) -> Counter[str]:
        """The table: what there is of each, and how much."""
        found: Counter[str] = Counter()
        for order in self.shopper.items("/v1/orders"):
            found[f"orders {order['state']}"] += 1
            found["payable fen"] += order["payable_fen"]
        for one in self.coupons("unused", "locked", "used", "expired"):
            found[f"coupons {one['state']}"] += 1
        found["addresses"] = len(self.shopper.get("/v1/me/addresses").ok()["items"])
        found["balance fen"] = balance(self.shopper)
        told = self.shopper.get("/v1/distributor").ok()
        found["withdrawn fen"] = told["withdrawn_fen"]
        found["customers"] = len(self.shopper.items("/v1/distributor/customers?level=1"))
        return found


def live_room(operator: Operator, control: Control) -> str:
    """A live room that is on the air."""
    room = f"room-{secrets.token_hex(4)}"
    asked = {"room_id": room, "kind": "channels", "host": "小鱼", "title": "春茶", "starts_at": control.at(-60),
             "ends_at": control.at(DAY)}  # fmt: skip
    operator.post("/v1/admin/live-rooms", asked).ok(201)
    return room


def journey(operator: Operator) -> str:
    """A journey that writes a subscribe message, has somebody call, and waits."""
    wechat = {"character_string1": "1", "thing2": "{what}", "thing3": "顺丰", "character_string4": "SF1"}
    words = {
        "name": f"问候 {secrets.token_hex(3)}", "purpose": "service", "medium": "subscribe", "text": "{what}到了",
        "vars": ["what"], "forms": {"subscribe": {"template_id": "sub-shipped", "fields": wechat}},
    }  # fmt: skip
    template = operator.post("/v1/admin/message-templates", words).ok(201)["template_id"]
    message = {"purpose": "service", "template": template, "vars": {"what": "春茶"}}
    steps = {
        "tell": {"message": message, "next": "call"}, "call": {"task": {"title": "回访"}, "next": "rest"},
        "rest": {"wait": {"days": 30}},
    }  # fmt: skip
    definition = {"name": f"问候 {secrets.token_hex(3)}", "entry": {"api": True}, "first": "tell", "steps": steps}
    made = operator.post("/v1/admin/journeys", definition).ok(201)
    assert "problems" not in made, made["problems"]
    operator.post(f"/v1/admin/journeys/{made['journey_id']}/publish").ok()
    return str(made["journey_id"])


def are_one(operator: Operator, member_id: str, former: str, journey_id: str) -> None:
    """Of two runs of one journey one goes on; whoever looks for the former sees the one, with all that was sent."""
    seen = [operator.get(f"/v1/admin/members/{one}?purpose=service").ok() for one in (member_id, former)]
    assert seen[0] == seen[1] and not any(one["settled"] is False for one in seen[0]["absorbed"])
    runs = operator.get(f"/v1/admin/members/{former}/runs").ok()["items"]
    assert [(one["journey_id"], one["member_id"]) for one in runs] == [(journey_id, member_id)] * 2
    assert sorted((one["state"], one.get("reason", "")) for one in runs) == [("active", ""), ("ended", "merged")]
    assert seen[0]["runs"]["counts"] == {"active": 1, "ended": 1} and seen[0]["tasks"]["counts"] == {"open": 2}
    assert seen[0]["preferences"]["quiet"] == {"from": "03:00", "until": "04:00"}
    assert len(seen[0]["messages"]) == 2 and seen[0]["preferences"]["media"]["sms"] is True


def people(operator: Operator) -> int:
    """How many members are in a segment of the life cycle."""
    return sum(operator.get(f"/v1/admin/segments/{word}").ok()["count"] for word in LIFE_CYCLE)


def within(control: Control, holds: Callable[[], bool]) -> None:
    """It holds before a minute has passed, as what is due is done."""

    def done() -> bool:
        control.run_jobs()
        return holds()

    assert PATIENCE_SECONDS == SECONDS
    poll(done)


def test_two_full_shoppers_who_are_one_person_have_together_what_they_had(
    distribution: Callable[..., Any], shopper: Shopper, other: Shopper, arrive: Callable[[], Shopper],
    operator: Operator, control: Control, wechat: Sandbox, differences: Callable[[], list[str]],
) -> None:  # fmt: skip
    distribution(freeze_days=0)
    product = operator.product(price_fen=5_000, stock=200)
    few = operator.product(price_fen=1_000, limit_per_member=6)
    sku = product["skus"][0]["sku_id"]
    templates = [
        operator.post("/v1/admin/coupon-templates", coupon_template(name=name)).ok(201)["template_id"]
        for name in ("五元", "另五元")
    ]
    shared = coupon_template(how=["share"], limit_per_member=3, share_limit=2)
    share = operator.post("/v1/admin/coupon-templates", shared).ok(201)["template_id"]
    for template in (*templates, share):
        operator.post(f"/v1/admin/coupon-templates/{template}/publish").ok()
    mall = {
        "sku": sku, "pieces": 4, "templates": templates, "address": SHANGHAI | {"is_default": False},
        "activity": operator.group_activity({3: 4_000}), "few": few["skus"][0]["sku_id"], "shared": share,
        "product": product["product_id"], "room": live_room(operator, control), "now": lambda: control.status()["now"],
        "run": control.run_jobs, "journey": journey(operator),
    }  # fmt: skip
    one, two = (Life(each, arrive, operator, mall) for each in (shopper, other))
    other.call("PUT", f"/v1/cart/lines/{sku}", {"quantity": 7}).ok()
    control.run_jobs()
    before, counted = one.sums() + two.sums(), people(operator)
    written = one.written() + two.written()
    assert [written[name] for name in ("messages", "tasks", "journeys")] == [2, 2, 2]

    code = shopper.post("/v1/me/merge-codes").ok(201)["code"]
    merge = other.post("/v1/me/merges", {"code": code}).ok(202)
    assert merge["state"] == "moving"
    member_id = shopper.get("/v1/me").ok()["member_id"]
    assert other.get("/v1/me").ok()["member_id"] == member_id
    for life in (one, two):  # at once, wherever it stands: the old token finds and pays what it placed
        again = life.shopper.post("/v1/orders", life.body, key=life.key).ok(201)
        assert again["order_id"] == life.unpaid
        for each in (one, two):
            assert each.shopper.order(life.unpaid)["order_id"] == life.unpaid
        life.shopper.lobby(life.seat)

    within(control, lambda: one.sums() == before)
    assert two.sums() == before, (before, two.sums())
    for life in (one, two):
        assert [line["quantity"] for line in life.shopper.get("/v1/cart").ok()["lines"]] == [7]
    within(control, lambda: people(operator) == counted - 1)
    control.run_jobs(advance=61)
    assert merge["merge_id"] in {one["merge_id"] for one in operator.get("/v1/admin/merges?state=done").ok()["items"]}
    former = next(life.member_id for life in (one, two) if life.member_id != member_id)
    assert one.written() == two.written() == written
    are_one(operator, member_id, former, mall["journey"])
    for life in (one, two):  # a token of either, and a new one of either
        life.shopper.log_in()
        assert life.shopper.member_id == member_id
        assert life.shopper.post("/v1/orders", life.body, key=life.key).ok(201)["order_id"] == life.unpaid
        life.shopper.pay(life.unpaid)
    control.run_jobs(advance=61)
    for life in (one, two):
        assert {one["state"] for one in life.coupons("locked", "used", "unused")} == {"used", "unused"}
    agree(differences)
    apart(operator, member_id, next(life for life in (one, two) if life.member_id != member_id), templates[0])
    control.run_jobs(advance=DAY)
    agree(differences)


def apart(operator: Operator, member_id: str, former: Life, template: str) -> None:
    """An operator finds that the login is somebody else's: they begin anew, with nothing that was the one's."""
    told = operator.get(f"/v1/admin/members/{member_id}?purpose=risk").ok()
    login = [one["identity"] for one in told["identities"] if one["kind"] == "mini"][1]
    asked = {"identity": login, "reason": "两个人"}
    new = operator.post(f"/v1/admin/members/{member_id}/detach", asked).ok(201)["member_id"]
    shopper = former.shopper
    assert shopper.get("/v1/me").ok()["member_id"] == shopper.log_in()["member"]["member_id"] == new
    assert shopper.items("/v1/orders") == [] and former.coupons("unused", "used") == []
    shopper.post(f"/v1/coupon-templates/{template}/claim").ok(201)


def test_a_follower_becomes_one_with_the_shopper_as_soon_as_the_unionid_appears(
    mall: Mall, operator: Operator, wechat: Sandbox, control: Control, arrive: Callable[[], Shopper],
    differences: Callable[[], list[str]],
) -> None:  # fmt: skip
    user = f"follower-{secrets.token_hex(6)}"
    openid = wechat.post("oa/follow", {"user": user, "scene": "window-poster"})["openid"]
    control.run_jobs()
    found = operator.get(f"/v1/admin/members?identity=oa:{openid}").ok()["items"]
    (follower,) = (one["member_id"] for one in found)
    operator.post("/v1/admin/tags", {"name": f"茶友{user}"}).ok(201)
    operator.post(f"/v1/admin/members/{follower}/tags", {"add": [f"茶友{user}"], "reason": "门店认识"}).ok()
    template = operator.post("/v1/admin/coupon-templates", coupon_template(how=["grant"])).ok(201)["template_id"]
    operator.post(f"/v1/admin/coupon-templates/{template}/publish").ok()
    granted = operator.post(f"/v1/admin/coupon-templates/{template}/grants", {"members": [follower]}, key=user)
    assert granted.status in (201, 202), granted
    control.run_jobs()

    shopper = Shopper(over_http(mall.api_url), wechat, user)

    def log_in(**more: Any) -> Answer:
        code = wechat.post("login", {"user": user, **more})["code"]
        return Client(shopper.send).post("/v1/auth/login", {"code": code, "consent": {"version": "1"}})

    first = log_in(unionid=None).ok()
    shopper.token, member_id = first["token"], first["member"]["member_id"]
    assert member_id != follower and shopper.items("/v1/me/coupons?state=unused") == []
    second = log_in().ok()
    assert second["member"]["member_id"] == member_id
    within(control, lambda: len(shopper.items("/v1/me/coupons?state=unused")) == 1)
    within(control, lambda: f"茶友{user}" in shopper.get("/v1/me").ok()["tags"])
    told = operator.get(f"/v1/admin/members/{member_id}?purpose=service").ok()
    assert {one["kind"] for one in told["identities"]} == {"mini", "oa", "union"}
    assert operator.get(f"/v1/admin/members?q={follower}").ok()["items"][0]["member_id"] == member_id
    assert [one["what"] for one in shopper.get("/v1/me/preferences").ok()["consents"]] == ["privacy"]
    agree(differences)
