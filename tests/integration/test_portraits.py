"""A member seen whole: every part says what its wing says; every look has a purpose, is in the log, and counts."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from bench.units.recorder import Recorder
from chalicelib.core import clock, ids
from chalicelib.customers.members import service as members
from chalicelib.customers.members.identities import service as identities
from chalicelib.customers.members.merging import service as merging
from chalicelib.customers.members.privacy.service import erase
from chalicelib.customers.members.rules import Source
from chalicelib.growth.messaging.tasks import service as tasks
from chalicelib.growth.messaging.tasks.rules import NewTask
from chalicelib.insight.portraits.whole.queries import portrait
from chalicelib.mall.operators.audit import queries as audit
from chalicelib.mall.operators.rules import PERMISSIONS
from chalicelib.platform.store.transaction import Transaction
from chalicelib.platform.web import limits
from local.client import Client
from tests.support.distribution import bare_member
from tests.support.journey_mall import JourneyMall
from tests.support.messages import asked, lets_through, queue
from tests.support.operators import appointed
from tests.support.queued_messages import message_template
from tests.support.segment_mall import opened

#: What a look may cost, in read units: of one who has little, and of one who has as much as is shown.
LITTLE_RRU, MUCH_RRU = 12, 42


@pytest.fixture(scope="module")
def world(dynamodb: str) -> Iterator[JourneyMall]:
    with opened("portraits") as mall:
        yield JourneyMall(mall.mall)


def whole(world: JourneyMall, member_id: str, by: Client | None = None) -> Any:
    return (by or world.operator).get(f"/v1/admin/members/{member_id}?purpose=service").ok()


def test_all_that_the_mall_knows(world: JourneyMall) -> None:
    mall, member_id = world.mall, world.member()
    keen = world.segment({"event": "cart_view", "within_days": 30, "op": ">=", "count": 2}, name="常看购物车")
    _, tag = world.tag()
    world.built()
    phone = world.phone(member_id)
    phone.call("PATCH", "/v1/me", {"nickname": "爱喝茶的人", "birthday": {"month": 2, "day": 3}}).ok()
    members.seen(member_id, Source(scene="1047", channel="poster", inviter="a-link", at=clock.now()))
    world.hear(member_id, "cart_view", "cart_view", "cart_view")
    world.operator.post(f"/v1/admin/members/{member_id}/tags", {"add": [tag], "reason": "老顾客"}).ok()
    unused, used = mall.coupon(member_id), mall.coupon(member_id)
    first = mall.buy(member_id, ("pot", 2), coupons=(used,))
    second = mall.refund(mall.buy(member_id, ("cup", 1)))
    third = mall.place(member_id, ("cup", 1))
    world.mall.work()

    seen = whole(world, member_id)
    person = seen["person"]
    assert (person["nickname"], person["phone"], person["birthday"]["day"]) == ("爱喝茶的人", "", 3)
    assert [(one["kind"], one["evidence"], one["trust"]) for one in seen["identities"]] == [("mini", "login", "within")]
    assert "***" in seen["identities"][0]["masked"]
    paid = mall.order(first).paid_fen
    assert (seen["traits"]["orders"], seen["traits"]["net_fen"]) == (1, paid)
    assert (seen["life_cycle"], seen["traits"]["completed"]) == ("new", 0)
    inside = {one["segment_id"]: one for one in seen["segments"]}
    assert set(inside) == {"new", keen}
    assert inside[keen]["name"] == "常看购物车"
    assert inside[keen]["why"]["holds"] is True and len(inside[keen]["why"]["known"]["latest"]) >= 2
    assert [(one["name"], one["why"]) for one in seen["tags"]] == [(tag, "老顾客")]
    orders = seen["orders"]
    assert orders["counts"] == {mall.order(first).state: 1, mall.order(second).state: 1, "awaiting_payment": 1}
    assert (orders["counted_all"], orders["gmv_fen"]) == (True, paid)
    assert [one["order_id"] for one in orders["latest"]] == [third.order_id, second.order_id, first.order_id]
    assert orders["latest"][2]["pieces"] == 2 and "address" not in orders["latest"][2]
    assert seen["coupons"]["counts"] == {"unused": 1, "used": 1}
    assert {one["coupon_id"]: one["state"] for one in seen["coupons"]["items"]} == {unused: "unused", used: "used"}
    assert seen["touches"]["last"]["channel"] == "poster"
    assert [one["token"] for one in seen["touches"]["invites"]] == ["a-link"]
    assert seen["touches"]["ways"] == []
    assert [one["name"] for one in seen["events"]] == ["cart_view"] * 3
    assert seen["consents"] == {"consents": [], "personalised": True}
    assert seen["distribution"] == {"tie": None, "distributor": None, "commissions": []}
    assert (seen["absorbed"], seen["withheld"]) == ([], [])
    nothing = {"counts": {}, "counted_all": True}
    assert (seen["messages"], seen["runs"], seen["tasks"]) == ([], {**nothing, "items": []}, {**nothing, "open": []})


def test_what_is_sent_to_a_member_and_which_journeys_they_are_in(world: JourneyMall) -> None:
    member_id = world.member()
    made = message_template(name="春茶上市", media=["subscribe"], purpose="service")
    stays = world.journey({"rest": {"wait": {"days": 9}}}, goal={"event": "order_paid", "within_days": 30})
    over = [world.journey({"rest": {"wait": {"hours": hours}}}) for hours in range(1, 7)]
    for journey_id in (stays, *over):
        assert world.enter(journey_id, member_id) == ["entered"]
    world.wait(hours=7)
    sent = queue(asked(made.template_id, member_id, media=["subscribe"], source=f"journey:{stays}"))
    world.mall.work()
    later = queue(asked(made.template_id, member_id, not_before=clock.now() + timedelta(days=1)))
    title = {"title": "回访", "source": f"journey:{stays}"}
    ended, due = (open_task(member_id, due_at=clock.now() + timedelta(days=day), **title) for day in (1, 2))
    world.operator.post(f"/v1/admin/tasks/{ended}/done", {"outcome": "reached"}).ok()
    lets_through(member_id, "tpl-w", 2)
    wishes = {"marketing": False, "media": {"sms": True}, "quiet": {"from": "12:00", "until": "13:00"}}
    said = world.phone(member_id).call("PUT", "/v1/me/preferences", wishes).ok()

    seen = whole(world, member_id)
    preferences = seen["preferences"]
    assert preferences.pop("allowances") == [{"template_id": "tpl-w", "left": 2}]
    assert {(one["what"], one["says"], one["source"]) for one in preferences.pop("said")} == {
        ("marketing", False, "member"), ("sms", True, "member"),
    }  # fmt: skip
    assert preferences == {name: said[name] for name in preferences} and preferences["media"]["sms"] is True
    assert {one["message_id"]: (one["template"], one["state"], one["reason"]) for one in seen["messages"]} == {
        sent: ("春茶上市", "dropped", "unreachable"), later: ("春茶上市", "queued", ""),
    }  # fmt: skip
    assert "茶" not in str([{**one, "template": ""} for one in seen["messages"]]), "no text, and no values"
    runs = seen["runs"]
    assert (runs["counts"], runs["counted_all"]) == ({"active": 1, "ended": 6}, True)
    assert [one["journey_id"] for one in runs["items"]] == [stays, *over[:0:-1]], "the latest five of what has ended"
    listed = world.operator.get(f"/v1/admin/members/{member_id}/runs").ok()["items"]
    assert [one for one in listed if one["state"] == "active"] == runs["items"][:1]
    assert (seen["tasks"]["counts"], seen["tasks"]["counted_all"]) == ({"done": 1, "open": 1}, True)
    assert [(one["task_id"], one["overdue"]) for one in seen["tasks"]["open"]] == [(due, False)]
    for path in ("/v1/me", "/v1/me/messages"):
        assert "control" not in str(world.phone(member_id).get(path).ok()), "who is in which arm members are not told"


def open_task(member_id: str, **changes: Any) -> str:
    fields = {"task_id": ids.new("tk"), "member_id": member_id, "title": "回访", "source": "journey:j1"}
    new = NewTask(**{**fields, **changes})
    tx = Transaction()
    tasks.open_task(tx, new)
    tx.commit()
    return new.task_id


def test_whom_a_member_brings_and_who_brought_them(world: JourneyMall) -> None:
    mall = world.mall
    customer = mall.customers[0]
    order = mall.buy(customer, ("pot", 1))
    tie = whole(world, customer)["distribution"]["tie"]
    assert (tie["inviter"], tie["live"]) == (mall.seller, True)
    seller = whole(world, mall.seller)
    assert seller["traits"]["distributor"] == "active"
    assert seller["distribution"]["distributor"]["pending_fen"] > 0
    assert order.order_id in {one["order_id"] for one in seller["distribution"]["commissions"]}


def test_a_phone_is_shown_by_its_end_and_a_wish_is_heeded(world: JourneyMall, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(members, "ask_wechat", lambda *_: "13912345678")
    member_id = world.member()
    identities.set_phone(member_id, member_id, "code", "p1")
    world.phone(member_id).call("PUT", "/v1/me/preferences", {"personalised": False}).ok()
    seen = whole(world, member_id)
    assert seen["person"]["phone"] == "***5678" and "13912345678" not in str(seen)
    assert [(one["kind"], one["masked"]) for one in seen["identities"]][-1] == ("phone", "***5678")
    assert seen["consents"]["personalised"] is False
    assert [(one["what"], one["version"]) for one in seen["consents"]["consents"]] == [("phone", "p1")]


def test_of_a_former_member_it_is_the_one_they_became(world: JourneyMall) -> None:
    pair = bare_member(), bare_member()
    merge = merging.unite(*pair, "operator", by="operator:op")
    member_id, former = merge.survivor, merge.former
    world.mall.clock.advance(1)
    seen = whole(world, former)
    assert seen["member_id"] == member_id
    assert [(one["member_id"], one["how"], one["settled"]) for one in seen["absorbed"]] == [
        (former, "operator", False)
    ]  # fmt: skip
    own, theirs = seen["identities"]
    assert (own["kind"], theirs["kind"]) == ("mini", "mini") and own["identity"] != theirs["identity"]
    latest, _ = audit.page(clock.day(clock.now()), None, 1, None)
    assert latest[0].entry.parameters == {"member_id": former, "purpose": "service"}
    assert latest[0].outcome == f'{{"member_id":"{member_id}","purpose":"service"}}'


def test_what_an_operator_may_not_read_elsewhere_is_withheld(world: JourneyMall) -> None:
    member_id = world.member()
    seen = whole(world, member_id, appointed(world.operator, "service"))
    assert seen["withheld"] == ["distribution", "runs"] and seen["distribution"] is None is seen["runs"]
    assert seen["orders"] is not None and seen["coupons"] is not None
    assert seen["messages"] == [] and seen["tasks"]["open"] == []
    none = portrait(member_id, {"members.read"})
    assert none.withheld == ["orders", "coupons", "distribution", "messages", "runs", "tasks"]
    assert [getattr(none, part) for part in none.withheld] == [None] * 6
    assert whole(world, member_id, appointed(world.operator, "auditor"))["withheld"] == []
    for role in ("merchandiser", "fulfilment", "finance"):
        path = f"/v1/admin/members/{member_id}?purpose=service"
        appointed(world.operator, role).get(path).refused(403, "forbidden")


def test_no_look_without_a_purpose(world: JourneyMall) -> None:
    member_id = world.member()
    for query in ("", "?purpose=", "?purpose=curiosity"):
        world.operator.get(f"/v1/admin/members/{member_id}{query}").refused(400, "malformed")
    for nobody in ("m-nobody", "m" + "2" * 24):
        world.operator.get(f"/v1/admin/members/{nobody}?purpose=risk").refused(404, "not_found")
    assert whole(world, member_id)
    erase(member_id)
    world.mall.work()
    world.operator.get(f"/v1/admin/members/{member_id}?purpose=risk").refused(404, "not_found")


def test_looks_are_counted_by_the_hour(world: JourneyMall, monkeypatch: pytest.MonkeyPatch) -> None:
    counted = list[tuple[int, int]]()
    usual = limits.count_call

    def two(what: str, who: str, most: int, seconds: int = limits.MINUTE) -> None:
        counted.append((most, seconds))
        usual(what, who, 2, seconds)

    monkeypatch.setattr(limits, "count_call", two)
    mall, member_id = world.mall, world.member()
    mall.clock.advance(3600 - clock.now().timestamp() % 3600)
    looks, path = appointed(world.operator, "service"), f"/v1/admin/members/{member_id}?purpose=order"
    for _ in range(2):
        looks.get(path).ok()
    mall.clock.advance(3000)
    refused = looks.get(path)
    refused.refused(429, "too_many_requests")
    assert int(refused.headers["retry-after"]) == 600
    whole(world, member_id)  # others go on
    mall.clock.advance(600)
    looks.get(path).ok()
    assert set(counted) == {(300, 3600)}


def read_units(member_id: str) -> float:
    recorder = Recorder()
    with recorder.recording() as trips:
        portrait(member_id, PERMISSIONS)
    return sum(trip.units.reads for trip in trips)


def test_what_a_look_costs(world: JourneyMall) -> None:
    mall, member_id = world.mall, world.member()
    for _ in range(3):
        mall.buy(member_id, ("cup", 1))
    mall.coupon(member_id)
    world.hear(member_id, "cart_view")
    made = message_template(media=["subscribe"], purpose="service").template_id
    queue(asked(made, member_id))
    lets_through(member_id, "tpl-l")
    world.enter(world.journey({"rest": {"wait": {"days": 9}}}), member_id)
    mall.work()
    whole(world, member_id)
    assert read_units(member_id) <= LITTLE_RRU
    much = mall.customers[1]
    for number in range(25):
        mall.buy(much, ("cup", 1))
        mall.coupon(much)
        world.hear(much, *["cart_view"] * 20, ago=timedelta(minutes=number))
        queue(asked(message_template(media=["subscribe"], purpose="service").template_id, much))
        open_task(much, due_at=clock.now() + timedelta(days=number + 1))
        world.enter(world.journey({"rest": {"wait": {"days": 9}}}), much)
    mall.work()
    assert read_units(much) <= MUCH_RRU
    seen = whole(world, much)
    assert (len(seen["orders"]["latest"]), len(seen["events"])) == (10, 20)
    assert seen["coupons"]["counts"] == {"unused": 25} and len(seen["coupons"]["items"]) == 20
    assert len(seen["messages"]) == 10 and seen["runs"]["counts"] == {"active": 25}
    assert (seen["tasks"]["counts"], seen["tasks"]["counted_all"]) == ({"open": 10}, False)
