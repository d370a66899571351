"""Journeys from outside: whoever comes in does so once, whatever comes at the same time; caps hold however many
journeys race; an edited journey takes everybody over, and two who are one person go on as one.

JOURNEY_ENTRIES (50) says how many come in at once.
"""

from __future__ import annotations

import os
import secrets
import uuid
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from local.client import Client, Control, Operator, Sandbox, Shopper, coupon_template, over_http
from local.clock import LocalClock
from local.mall import Mall
from tests.support.groups import agree

ENTRIES = int(os.environ.get("JOURNEY_ENTRIES", "50"))
ALL, BY_HAND = "/v1/admin/journeys", {"api": True}
DAY, SHANGHAI_SECONDS, NOON = 86_400, 8 * 3600, 12 * 3600
#: Runs that wait are looked at by the quarter of a minute.
GRAIN = 20


class Office:
    """The operator who writes journeys."""

    def __init__(self, mall: Mall, control: Control, operator: Operator, wechat: Sandbox) -> None:
        self.clock, self.control = LocalClock(mall.clock_file), control
        self.operator, self.wechat, self.api_url = operator, wechat, mall.api_url
        self.journeys: list[str] = []

    def passes(self, seconds: float = GRAIN) -> None:
        """So much time passes, and what is due by then is done."""
        self.clock.advance(seconds)
        self.settles()

    def settles(self) -> None:
        while self.control.run_jobs():
            pass

    def another(self) -> Operator:
        """The same over a connection of its own."""
        return Operator(over_http(self.api_url), self.operator.token)

    def drafted(self, steps: dict[str, Any], **parts: Any) -> dict[str, Any]:
        return {"name": "旅程", "entry": BY_HAND, "first": next(iter(steps)), "steps": steps, **parts}

    def live(self, steps: dict[str, Any], **parts: Any) -> str:
        """A journey that is published just now."""
        made: str = self.operator.post(ALL, self.drafted(steps, **parts)).ok(201)["journey_id"]
        self.operator.post(f"{ALL}/{made}/publish").ok()
        self.journeys.append(made)
        return made

    def enters(self, journey_id: str, *members: str, operator: Operator | None = None) -> dict[str, Any]:
        """These are let in; what became of them."""
        asked, call = {"members": list(members)}, (operator or self.operator)
        told: dict[str, Any] = call.post(f"{ALL}/{journey_id}/enter", asked, key=secrets.token_hex(8)).ok()
        return told

    def runs(self, member_id: str, journey_id: str) -> list[Any]:
        told = self.operator.get(f"/v1/admin/members/{member_id}/runs").ok()["items"]
        return [one for one in told if one["journey_id"] == journey_id]

    def nobody_is_lost(self, journey_id: str) -> Any:
        """The report, in which everybody is somewhere: entered = active + parked + ended."""
        told = self.operator.get(f"{ALL}/{journey_id}/report").ok()
        assert told["entered"] == told["active"] + told["parked"] + sum(told["ended"].values()), told
        return told

    def gift(self) -> str:
        """A published template of coupons that journeys give."""
        asked = coupon_template(kind="percent_off", amount_fen=None, percent_off=20, threshold_fen=0, total=1000,
                                limit_per_member=9, how=["journey"])  # fmt: skip
        made: str = self.operator.post("/v1/admin/coupon-templates", asked).ok(201)["template_id"]
        self.operator.post(f"/v1/admin/coupon-templates/{made}/publish").ok()
        return made

    def words(self, says: str) -> str:
        """A template of an SMS that helps."""
        asked = {
            "name": "消息", "medium": "sms", "purpose": "service", "text": says,
            "forms": {"sms": {"template_id": "SMS_1004", "fields": {"text": says}}},
        }  # fmt: skip
        return str(self.operator.post("/v1/admin/message-templates", asked).ok(201)["template_id"])


@pytest.fixture
def office(mall: Mall, control: Control, operator: Operator, wechat: Sandbox) -> Any:
    made = Office(mall, control, operator, wechat)
    yield made
    for journey_id in made.journeys:
        operator.post(f"{ALL}/{journey_id}/end", {"runs": "exit"})


def test_of_fifty_who_come_in_at_once_one_does(office: Office, shopper: Shopper) -> None:
    gift = office.gift()
    journey_id = office.live({"gift": {"grant": {"template": gift}, "next": "rest"}, "rest": {"wait": {"days": 2}}})
    who = shopper.member_id
    with ThreadPoolExecutor(ENTRIES) as pool:
        told = list(pool.map(lambda _: office.enters(journey_id, who, operator=office.another()), range(ENTRIES)))
    assert Counter(one["entered"] for one in told) == {1: 1, 0: ENTRIES - 1}
    assert sum(one["refused"].get("active", 0) for one in told) == ENTRIES - 1
    office.settles()
    (run,) = office.runs(shopper.member_id, journey_id)
    assert (run["state"], run["step"]) == ("active", "rest")
    assert [one["template_id"] for one in shopper.items("/v1/me/coupons?state=unused")] == [gift]
    assert office.nobody_is_lost(journey_id)["entered"] == 1


def test_of_fifty_events_at_once_one_begins_a_run(office: Office, shopper: Shopper) -> None:
    gift = office.gift()
    steps = {"gift": {"grant": {"template": gift}, "next": "rest"}, "rest": {"wait": {"days": 2}}}
    journey_id = office.live(steps, entry={"event": "search"}, re_entry={"after_days": 1})
    now = office.control.status()["now"]

    def searches(number: int) -> int:
        event = {
            "event_id": secrets.token_hex(8),
            "name": "search",
            "at": now,
            "props": {"results": number, "q_hash": "a"},
        }
        text = str(uuid.uuid4())
        batch = {"batch_id": f"{text[:14]}7{text[15:]}", "sent_at": now, "events": [event]}
        sent = Client(over_http(office.api_url), shopper.token).post("/v1/me/events", batch)
        return int(sent.ok(202)["accepted"])

    with ThreadPoolExecutor(ENTRIES) as pool:
        assert sum(pool.map(searches, range(ENTRIES))) == ENTRIES
    office.passes()
    assert [(one["state"], one["step"]) for one in office.runs(shopper.member_id, journey_id)] == [("active", "rest")]
    assert coupons(shopper) == Counter({gift: 1})
    assert office.nobody_is_lost(journey_id)["entered"] == 1


def test_however_many_journeys_race_for_a_member_caps_hold(office: Office, arrive: Callable[[], Shopper]) -> None:
    office.passes((NOON - office.clock() - SHANGHAI_SECONDS) % DAY)
    people = [arrive() for _ in range(3)]
    for one in people:
        code = office.wechat.post("phone", {"user": one.user})["code"]
        one.post("/v1/me/phone", {"code": code}).ok()
    caps = office.operator.get("/v1/admin/settings/caps").ok()
    office.operator.put("/v1/admin/settings/caps", {"caps": [{"max": 2, "per": "day"}, {"max": 3, "per": "7d"}]}).ok()
    office.passes(90)  # by then every process knows of it
    journeys: list[str] = []
    everybody = [one.member_id for one in people]
    for days in (0, 1, 1):
        office.passes(days * DAY)
        journeys += (racing := [office.live(tells(office, number)) for number in range(6)])
        with ThreadPoolExecutor(len(racing)) as pool:
            list(pool.map(lambda one: office.enters(one, *everybody, operator=office.another()), racing))
        office.settles()
    took = Counter(item["to"] for item in office.wechat.get("outbox")["items"])
    assert [took[one.user] for one in people] == [3, 3, 3]
    assert sends_of(office, *journeys) == {"out": 9, "capped": len(journeys) * len(people) - 9}
    office.operator.put("/v1/admin/settings/caps", caps).ok()


def tells(office: Office, number: int) -> dict[str, Any]:
    """A journey that says something once."""
    return {"tell": {"message": {"purpose": "service", "template": office.words(f"消息{number}")}}}


def sends_of(office: Office, *journeys: str) -> dict[str, int]:
    """What became of these journeys' messages."""
    whole: Counter[str] = Counter()
    for journey_id in journeys:
        for one in office.nobody_is_lost(journey_id)["sends"].values():
            whole += Counter(out=one["sent"] + one["delivered"]) + Counter(one["dropped"])
    return dict(whole)


def test_an_edited_journey_takes_over_whoever_is_at_any_of_its_steps(
    office: Office, arrive: Callable[[], Shopper], differences: Callable[[], list[str]]
) -> None:
    gift, sku = office.gift(), office.operator.product()["skus"][0]["sku_id"]
    steps: dict[str, Any] = {
        "rest": {"wait": {"days": 2}, "next": "gift"},
        "gift": {"grant": {"template": gift}, "next": "buys"},
        "buys": {"wait_for": {"event": "order_paid", "timeout": {"days": 2}, "then": "thanks", "on_timeout": "late"}},
        "thanks": {"wait": {"days": 9}, "next": "bought"},
        "late": {"wait": {"days": 9}, "next": "never"},
        "bought": {"exit": {"reason": "bought"}},
        "never": {"exit": {"reason": "never"}},
    }
    journey_id = office.live(steps)
    path, people = f"{ALL}/{journey_id}", [arrive() for _ in range(6)]
    for pair, days in ((people[:2], 3), (people[2:4], 2.5), (people[4:], 0)):
        office.enters(journey_id, *(one.member_id for one in pair))
        office.passes(days * DAY + GRAIN)
        if pair == people[:2]:
            people[0].buy([(sku, 1)])
            office.passes()
    stands = [office.runs(one.member_id, journey_id)[0]["step"] for one in people]
    assert stands == ["thanks", "late", "buys", "buys", "rest", "rest"], stands

    edited = {**steps, "rest": {"wait": {"days": 1}, "next": "gift"}, "later": {"wait": {"days": 1}, "next": "never"}}
    edited["buys"] = {"wait_for": {**steps["buys"]["wait_for"], "then": "bought", "on_timeout": "later"}}
    for gone in ("thanks", "late"):
        del edited[gone]
    office.operator.put(f"{path}/draft", office.drafted(edited)).ok()
    assert office.operator.post(f"{path}/publish").ok()["version"] == 2
    asked = {"from": 1, "map": {"late": "later"}, "missing": "exit"}
    tried = office.operator.post(f"{path}/migrate", {**asked, "dry_run": True}).ok()
    assert tried["counts"] == {"stays": 4, "mapped": 1, "nearest": 0, "ended": 1}
    office.operator.post(f"{path}/migrate", asked).ok()
    office.passes(DAY)
    office.passes(120)
    moved = next(one for one in office.operator.get(path).ok()["moving"] if one["kind"] == "migrate")
    assert not moved["running"] and moved["counts"] == tried["counts"]
    told = office.nobody_is_lost(journey_id)
    assert (told["entered"], told["ended"]) == (6, {"journey_changed": 1})
    assert [office.runs(one.member_id, journey_id)[0]["version"] for one in people] == [2] * 6
    people[4].buy([(sku, 1)])
    office.settles()  # else the end of the wait may be looked at first
    for _ in range(3):
        office.passes(3 * DAY)
    told = office.nobody_is_lost(journey_id)
    assert (told["active"], told["ended"]) == (0, {"journey_changed": 1, "never": 4, "bought": 1})
    for one in people:
        assert [each["template_id"] for each in one.items("/v1/me/coupons?state=unused")] in ([gift], []), one
        assert len(one.items("/v1/me/coupons?state=unused") + one.items("/v1/me/coupons?state=expired")) == 1
    agree(differences)


def test_two_who_turn_out_to_be_one_go_on_as_one(
    office: Office, arrive: Callable[[], Shopper], differences: Callable[[], list[str]]
) -> None:
    """In the middle of both their runs: in the journey of both one goes on; in that of one alone it is theirs."""
    shared, own = office.gift(), office.gift()
    waits = {"rest": {"wait": {"days": 2}, "next": "gift"}}
    both = office.live({**waits, "gift": {"grant": {"template": shared}}})
    alone = office.live({**waits, "gift": {"grant": {"template": own}}})
    stays, former = arrive(), arrive()
    office.enters(both, stays.member_id)
    office.passes(DAY)
    office.enters(both, former.member_id)
    office.enters(alone, former.member_id)
    code = stays.post("/v1/me/merge-codes").ok(201)["code"]
    former.post("/v1/me/merges", {"code": code}).ok(202)
    office.passes()
    assert {one.get("/v1/me").ok()["member_id"] for one in (stays, former)} == {stays.member_id}
    runs = {one["state"]: one for one in office.runs(stays.member_id, both)}
    assert (len(runs), runs["ended"]["reason"]) == (2, "merged")
    assert [one["state"] for one in office.runs(stays.member_id, alone)] == ["active"]
    assert office.enters(both, stays.member_id)["refused"] == {"active": 1}
    office.passes(DAY)
    assert coupons(stays) == Counter({shared: 1})
    office.passes(DAY)
    assert coupons(stays) == coupons(former) == Counter({shared: 1, own: 1})
    assert office.nobody_is_lost(both)["ended"] == {"merged": 1, "done": 1}
    assert office.nobody_is_lost(alone)["ended"] == {"done": 1}
    agree(differences)


def coupons(who: Shopper) -> Counter[str]:
    return Counter(one["template_id"] for one in who.items("/v1/me/coupons?state=unused"))
