"""The ladder from outside: shoppers of every kind live through it, and have what its table says, in their wallets and
on their phones; nothing twice, and nothing that they do not want, in quiet hours or too often.

LADDER_SHOPPERS (50) says how many.
"""

from __future__ import annotations

import os
import secrets
from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest

from local.client import Control, Operator, Sandbox, Shopper, coupon_template, poll
from local.clock import LocalClock
from local.mall import Mall
from tests.support import ladder
from tests.support.groups import agree
from tests.support.ladder import DAY, KINDS, RUNGS, WEEK, Person

SHOPPERS = int(os.environ.get("LADDER_SHOPPERS", "50"))
CONTROL_PERCENT = 20
#: Their windows of 90 days are over then, too.
LAST = 93 * DAY
SHANGHAI_SECONDS = 8 * 3600
TEN = 10 * 3600
#: Each look at the mall is so much later in its day than the one before: what was begun at that is due.
CREEP_SECONDS = 120
SMS_FEN = 5
UNSUBSCRIBE = "，拒收请回复R"


class Play:
    """Whoever has the shoppers do what they do, by the mall's clock."""

    def __init__(self, clock: LocalClock, control: Control, operator: Operator, wechat: Sandbox) -> None:
        self.clock, self.control, self.operator, self.wechat = clock, control, operator, wechat
        since_ten = (clock() + SHANGHAI_SECONDS - TEN) % DAY
        self.began, self.looks = clock() + DAY - since_ten, 0
        self.people: list[Person] = []
        product = operator.product(price_fen=2_000, stock=10_000)
        self.sku: str = product["skus"][0]["sku_id"]
        self.coupons = {self._coupon(rung, percent): rung for rung, percent in RUNGS.items()}
        self.journey_id, self.by_hand = self._publishes(), self._words("手写")

    def _coupon(self, name: str, percent_off: int) -> str:
        asked = coupon_template(
            name=name, kind="percent_off", amount_fen=None, percent_off=percent_off, ceiling_fen=3_000,
            threshold_fen=0, total=10 * SHOPPERS, valid={"days": 400}, how=["journey"],
        )  # fmt: skip
        made: str = self.operator.post("/v1/admin/coupon-templates", asked).ok(201)["template_id"]
        self.operator.post(f"/v1/admin/coupon-templates/{made}/publish").ok()
        return made

    def _words(self, says: str, *variables: str) -> str:
        sms = {"template_id": "SMS_2003", "fields": {"text": says}}
        asked = {
            "name": "优惠", "medium": "sms", "purpose": "marketing", "text": says + UNSUBSCRIBE,
            "vars": list(variables), "forms": {"sms": sms},
        }  # fmt: skip
        made: str = self.operator.post("/v1/admin/message-templates", asked).ok(201)["template_id"]
        return made

    def _publishes(self) -> str:
        """The built-in ladder, with coupons and words of this mall, and a part of its members only looked at."""
        words = self._words("{coupon}", "coupon")
        slots = {rung: template for template, rung in self.coupons.items()} | {"tell_down": words, "tell_up": words}
        asked = {"built_in": "ladder", "templates": slots, "control_percent": CONTROL_PERCENT}
        made = self.operator.post("/v1/admin/journeys", asked).ok(201)
        assert "problems" not in made, made["problems"]
        path = f"/v1/admin/journeys/{made['journey_id']}"
        self.operator.post(f"{path}/publish").ok()
        return str(made["journey_id"])

    def goes_to(self, at: int) -> None:
        """It is that instant, and whatever was due by then is done."""
        self.looks += 1
        self.clock.advance(max(0.0, self.began + at + self.looks * CREEP_SECONDS - self.clock()))
        self.settles()

    def settles(self) -> None:
        while self.control.run_jobs():
            pass

    def joins(self, number: int, name: str, at: int, arrive: Callable[[], Shopper]) -> Person:
        """Somebody logs in, and says what they want."""
        kind, shopper = KINDS[name], arrive()
        one = Person(number, name, kind, at, shopper)
        if kind.has_phone:
            code = self.wechat.post("phone", {"user": shopper.user})["code"]
            shopper.post("/v1/me/phone", {"code": code}).ok()
        wishes: dict[str, Any] = {"media": {"sms": True}} if kind.agrees else {}
        if not kind.offers:
            wishes["marketing"] = False
        if wishes:
            shopper.put("/v1/me/preferences", wishes).ok()
        self.people.append(one)
        return one

    def acts(self, one: Person, at: int) -> None:
        """Somebody does what they do at that instant."""
        kind, shopper = one.kind, one.shopper
        days = (*kind.buys, kind.refunds, kind.refuses, kind.replies, kind.leaves, kind.merges)
        if at not in [one.day(day) for day in days if day is not None]:
            return
        if at > one.joined:
            shopper.log_in()
        for day in kind.buys:
            if one.day(day) == at:
                one.orders.append(self.buys(one))
                one.paid_fen += shopper.order(one.orders[-1])["paid_fen"]
        if kind.refunds is not None and one.day(kind.refunds) == at:
            shopper.refund(one.orders[0])
        if kind.refuses is not None and one.day(kind.refuses) == at:
            shopper.put("/v1/me/preferences", {"marketing": False}).ok()
        if kind.replies is not None and one.day(kind.replies) == at:
            self.wechat.post("sms/reply", {"user": shopper.user, "text": " r "})
        if kind.leaves is not None and one.day(kind.leaves) == at:
            one.ends = at
            assert shopper.leave().status in (200, 204)
        if kind.merges is not None and one.day(kind.merges) == at:
            self.become_one(self.people[one.number - 1], one, at)

    def buys(self, one: Person) -> str:
        if not one.kind.uses_coupon:
            return one.shopper.buy([(self.sku, 1)])
        body = one.shopper.order_body([(self.sku, 1)]) | {"coupon_ids": "best"}
        asked = {name: body[name] for name in ("lines", "address_id", "coupon_ids")}
        body["expected_payable_fen"] = one.shopper.post("/v1/quotes", asked).ok()["payable_fen"]
        order_id: str = one.shopper.post("/v1/orders", body, key=secrets.token_hex(8)).ok(201)["order_id"]
        one.shopper.pay(order_id)
        return order_id

    def become_one(self, stays: Person, former: Person, at: int) -> None:
        """Two who logged in apart turn out to be one."""
        former.ends = at
        stays.shopper.log_in()
        code = stays.shopper.post("/v1/me/merge-codes").ok(201)["code"]
        former.shopper.post("/v1/me/merges", {"code": code}).ok(202)
        assert former.shopper.get("/v1/me").ok()["member_id"] == stays.shopper.member_id

    def looks_for_runs(self, one: Person) -> None:
        """Whether somebody is only looked at: the same as before, where that was asked before."""
        runs = self.operator.get(f"/v1/admin/members/{one.shopper.member_id}/runs").ok()["items"]
        (run,) = [run for run in runs if run["journey_id"] == self.journey_id]
        one.control, one.run_id = run.get("control", False), run["run_id"]

    def report(self) -> Any:
        return self.operator.get(f"/v1/admin/journeys/{self.journey_id}/report").ok()

    def outbox(self) -> dict[str, list[dict[str, Any]]]:
        """What WeChat and the vendor of SMS took for each of these, in order."""
        took: dict[str, list[dict[str, Any]]] = {one.shopper.user: [] for one in self.people}
        for item in self.wechat.get("outbox")["items"]:
            if item["to"] in took:
                took[item["to"]].append(item)
        return took


@pytest.fixture
def play(mall: Mall, control: Control, operator: Operator, wechat: Sandbox) -> Play:
    return Play(LocalClock(mall.clock_file), control, operator, wechat)


def lived(play: Play, arrive: Callable[[], Shopper]) -> None:
    """All of them join, and do what they do, to the end."""
    names = list(KINDS)
    cohorts: dict[int, list[tuple[int, str]]] = {0: [], ladder.EVENING: []}
    for number in range(SHOPPERS):
        at = ladder.EVENING if number // len(names) % 2 else 0
        cohorts[at].append((number, names[number % len(names)]))
    expected = [Person(number, name, KINDS[name], at, None) for at, all_ in cohorts.items() for number, name in all_]  # type: ignore[arg-type]
    for at in ladder.instants(expected, LAST):
        play.goes_to(at)
        for number, name in cohorts.get(at, ()):
            one = play.joins(number, name, at, arrive)
            play.acts(one, at)
        play.people.sort(key=lambda one: one.number)
        if at in cohorts:
            play.settles()
            for one in play.people:
                if one.joined == at:
                    play.looks_for_runs(one)
            continue
        if at == ladder.WRITTEN_ON * DAY:
            listed = [one.shopper.member_id for one in play.people if one.is_written_to]
            asked = {"template_id": play.by_hand, "members": listed}
            play.operator.post("/v1/admin/messages", asked, key=secrets.token_hex(8)).ok(202)
        for one in play.people:
            play.acts(one, at)
        play.settles()


def test_everybody_has_what_the_table_says_and_hears_what_they_want(
    play: Play, arrive: Callable[[], Shopper], differences: Callable[[], list[str]]
) -> None:
    lived(play, arrive)
    for one in play.people:
        has_what_the_table_says(play, one)
    hears_what_they_want(play)
    the_report_agrees(play)
    agree(differences)
    play.operator.post(f"/v1/admin/journeys/{play.journey_id}/end", {"runs": "exit"}).ok()


def has_what_the_table_says(play: Play, one: Person) -> None:
    if one.kind.leaves is not None:
        one.shopper.get("/v1/me/coupons").refused(401, "unauthenticated")
        return
    one.shopper.log_in()
    if one.kind.merges is not None:
        return  # who they became has it
    others = [other for other in play.people if other.kind.merges is not None and other.number == one.number + 1]
    wanted = Counter(rung for each in (one, *others) for _, rung in each.rungs())
    states = {
        state: Counter(
            play.coupons[coupon["template_id"]] for coupon in one.shopper.items(f"/v1/me/coupons?state={state}")
        )
        for state in ("unused", "locked", "used", "expired")
    }
    assert sum(states.values(), Counter()) == wanted, (one, states)
    used = Counter({"down_57": 1} if one.kind.uses_coupon and not one.control else {})
    assert states["used"] == used and not states["locked"] and not states["expired"], (one, states)


def hears_what_they_want(play: Play) -> None:
    took = play.outbox()
    assert sum(len(items) for items in took.values()) == len(
        {one["message_id"] for items in took.values() for one in items}
    )
    for one in play.people:
        items = took[one.shopper.user]
        said = [what(item) for item in items]
        assert said == one.told(), (one, items)
        ats = [datetime.fromisoformat(item["at"]) for item in items]
        for at in ats:
            local = at + timedelta(seconds=SHANGHAI_SECONDS)
            assert 8 <= local.hour < 21, (one, at)
        assert all(later - earlier >= timedelta(seconds=WEEK) for earlier, later in pairwise(ats)), (one, ats)


def what(item: dict[str, Any]) -> str:
    says = item["text"].partition("】")[2].removesuffix(UNSUBSCRIBE)
    return "by hand" if says == "手写" else str(says)


def the_report_agrees(play: Play) -> None:
    told = poll(lambda: (report := play.report())["active"] == 0 and report)
    ended = Counter(one.ended() for one in play.people)
    assert told["entered"] == len(play.people) == told["active"] + told["parked"] + sum(told["ended"].values())
    assert told["ended"] == ended, (told["ended"], ended)
    assert told["grants"] == {"given": sum(len(one.rungs()) for one in play.people)}
    sends_agree(play, told)
    for arm in told["arms"]:
        people = [one for one in play.people if one.control is (arm["arm"] == "control")]
        bought = [one for one in people if one.kind.buys]
        paid_fen = sum(one.paid_fen for one in bought if one.kind.refunds is None)
        assert (arm["members"], arm["converted"], arm["gmv_fen"]) == (len(people), len(bought), paid_fen), arm
    assert sum(arm["members"] for arm in told["arms"]) == len(play.people)
    assert told["uplift"] is None or told["uplift"]["verdict"] == "not_enough"
    for step in told["by_step"]:
        assert step["in"] == step["out"] and step["waiting"] == 0, step


def sends_agree(play: Play, told: Any) -> None:
    """What the report tells of messages is what the vendor took, and what else became of them."""
    words = Counter(outcome for one in play.people for what, outcome in one.words() if what != "by hand")
    out = sum(what(item) != "by hand" for items in play.outbox().values() for item in items)
    sends = told["sends"].values()
    assert (words["sent"], out) == (out, sum(one["sent"] + one["delivered"] for one in sends)), (words, told["sends"])
    dropped = sum((Counter(one["dropped"]) for one in sends), Counter())
    assert dropped == Counter({reason: n for reason, n in words.items() if reason != "sent"}), (words, told["sends"])
    assert not any(one["failed"] + one["unknown"] + one["held"] for one in sends)
    assert told["cost"]["sends_fen"] == out * SMS_FEN
