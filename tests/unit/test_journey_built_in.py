"""With its slots filled every journey that the mall brings with it is publishable, and does what its table says."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import msgspec
import pytest

from chalicelib.growth.journeys.built_in.rules import BuiltIn, filled, open_slots
from chalicelib.growth.journeys.language.rules import Definition, Plan, plan_of
from chalicelib.growth.journeys.playbook.rules import BUILT_IN, LADDER, WELCOME
from chalicelib.growth.journeys.publishing.rules import faults
from chalicelib.growth.journeys.runs.rules import Heard, Run
from chalicelib.growth.journeys.stepping.rules import Advanced, Ask, Say, begun, granted, heard, settled, woken
from chalicelib.growth.journeys.steps.rules import GrantStep
from tests.support.journeys import NOW, mall_for

ALL = list(BUILT_IN.values())


def plan_for(built_in: BuiltIn) -> Plan:
    return plan_of("jn1", 1, msgspec.convert(mall_for(built_in)[0], Definition))


@pytest.mark.parametrize("built_in", ALL, ids=lambda one: one.key)
def test_with_its_slots_filled_it_can_be_published(built_in: BuiltIn) -> None:
    _, there = mall_for(built_in)
    assert faults(plan_for(built_in), there) == []


@pytest.mark.parametrize("built_in", ALL, ids=lambda one: one.key)
def test_with_a_slot_open_it_cannot_and_the_step_is_named(built_in: BuiltIn) -> None:
    _, there = mall_for(built_in)
    assert sorted(open_slots(built_in.definition)) == sorted(slot.name for slot in built_in.slots)
    for left in built_in.slots:
        chosen = {slot.name: slot.name for slot in built_in.slots if slot is not left}
        raw = filled(built_in, "旅程", chosen, there.messages)
        told = faults(plan_of("jn1", 1, msgspec.convert(raw, Definition)), there)
        assert {one.reason.code for one in told} == {"slot_open"}
        assert {one.params["slot"] for one in told} == {left.name}


@pytest.mark.parametrize("built_in", ALL, ids=lambda one: one.key)
def test_it_speaks_both_languages_and_its_definition_is_left_alone(built_in: BuiltIn) -> None:
    assert built_in.zh and built_in.en.isascii() and built_in.name_en.isascii()
    assert all(slot.zh and slot.en.isascii() for slot in built_in.slots)
    before = msgspec.json.encode(built_in.definition)
    mall_for(built_in)
    assert msgspec.json.encode(built_in.definition) == before


class Walk:
    """One member's way through a journey, by the pure core: what they are given, told and called for, and when."""

    def __init__(
        self, plan: Plan, entered_with: dict[str, Any] | None = None, holds: bool = False, sends: bool = True
    ) -> None:
        self.plan, self.now, self.holds, self.sends = plan, NOW, holds, sends
        self.coupons: list[str] = []
        self.done: list[tuple[str, timedelta]] = []
        self.count = 0
        run = Run(
            run_id="rn1", journey_id="jn1", version=1, member_id="mb1", step=plan.first, entered_at=NOW,
            entered_by="event", at=NOW, entered_with=entered_with or {},
        )  # fmt: skip
        self.run = run
        self.take(begun(plan, run, NOW, self.answer))

    def answer(self, _: Any) -> bool:
        return self.holds

    def take(self, step: Advanced | None) -> None:
        """Do what follows, and go on until the run stands or has ended."""
        if step is None:
            return
        self.run = step.run
        for effect in step.effects:
            if isinstance(effect, Say):
                self.done.append((effect.said.template, self.now - NOW))
            elif isinstance(effect, Ask):
                self.done.append((effect.work.title, self.now - NOW))
        said = next((one for one in step.effects if isinstance(one, Say) and one.awaited), None)
        if said is not None and self.sends:
            self.sent()
            return
        if self.run.state == "ended" or not self.run.arriving:
            return
        at = self.plan.steps[self.run.step]
        if isinstance(at, GrantStep):
            self.coupons.append(at.grant.template)
            self.take(granted(self.plan, self.run, self.now, self.answer, "given"))
        else:
            self.take(woken(self.plan, self.run, self.now, self.answer))

    def sent(self) -> Walk:
        """The message that the run waits for has gone out."""
        self.take(settled(self.plan, self.run, self.now, self.answer, self.run.awaits, "sent"))
        return self

    def until(self, at: datetime) -> Walk:
        """Let time go on until then."""
        while self.run.state != "ended" and self.run.wake is not None and self.run.wake <= at:
            self.now = max(self.now, self.run.wake)
            self.take(woken(self.plan, self.run, self.now, self.answer))
        self.now = max(self.now, at)
        return self

    def days(self, days: float) -> Walk:
        return self.until(self.now + timedelta(days=days))

    def does(self, event: str, **props: Any) -> Walk:
        self.count += 1
        fact = Heard(cause=f"c{self.count}", event=event, at=self.now, props=props)
        self.take(heard(self.plan, self.run, self.now, self.answer, fact))
        return self


def test_who_never_buys_goes_down_the_ladder() -> None:
    walk = Walk(plan_for(LADDER)).days(29.9)
    assert walk.coupons == []
    assert walk.days(0.2).coupons == ["down_15"]
    assert walk.days(7).coupons == ["down_15", "down_57"]
    assert walk.days(7).coupons == ["down_15", "down_57", "down_72"]
    assert walk.days(29).run.state == "active"
    assert walk.days(2).run.reason == "never_bought" and len(walk.coupons) == 3
    assert [what for what, _ in walk.done] == ["tell_down"] * 3


@pytest.mark.parametrize(("days", "before"), [(1, []), (31, ["down_15"]), (38, ["down_15", "down_57"]),
                                              (45, ["down_15", "down_57", "down_72"])])  # fmt: skip
def test_who_buys_at_any_rung_goes_up_from_there(days: int, before: list[str]) -> None:
    walk = Walk(plan_for(LADDER)).days(days).does("order_paid")
    assert walk.coupons == [*before, "up_57"]
    assert walk.days(5).does("order_paid").coupons == [*before, "up_57", "up_42"]
    assert walk.days(5).does("order_paid").coupons == [*before, "up_57", "up_42", "up_5"]
    assert walk.run.reason == "kept"
    assert walk.does("order_paid").coupons == [*before, "up_57", "up_42", "up_5"]


def test_no_message_of_the_ladder_is_waited_for() -> None:
    """Its waits are as long as they say, whatever quiet hours hold."""
    walk = Walk(plan_for(LADDER), sends=False).days(30 + 7 + 7)
    assert walk.coupons == ["down_15", "down_57", "down_72"] and not walk.run.awaits


def test_who_stops_buying_is_given_no_more() -> None:
    walk = Walk(plan_for(LADDER)).days(1).does("order_paid").days(31)
    assert walk.coupons == ["up_57"] and walk.run.reason == "stopped_buying"


def test_the_ladder_s_coupons_are_so_many_percent_off() -> None:
    asked = {slot.name: slot.percent_off for slot in LADDER.slots if slot.kind == "coupon"}
    assert list(asked.values()) == [15, 57, 72, 57, 42, 5]


def test_renewal_writes_twice_and_calls() -> None:
    plan = plan_for(BUILT_IN["renewal"])
    (first, _), (second, later), (call, last) = Walk(plan).days(20).done
    assert [first, second, call] == ["first", "second", "续购电话"]
    assert later in [timedelta(days=n) for n in (5, 6, 7)] and last - later in [timedelta(days=n) for n in (5, 6, 7)]
    assert Walk(plan).days(1).does("order_paid").days(20).done == [("first", timedelta())]


def test_welcome_is_on_days_one_three_and_seven_and_reminds_of_what_is_unused() -> None:
    told = [("hello", 0), ("how_to", 1), ("best", 3)]
    unused = Walk(plan_for(WELCOME), holds=True).days(8)
    assert unused.done == [(name, timedelta(days=day)) for name, day in [*told, ("ends", 7)]]
    assert unused.coupons == ["newcomer"] and WELCOME.definition["control_percent"] == 10
    assert Walk(plan_for(WELCOME)).days(8).done == [(name, timedelta(days=day)) for name, day in told]


def test_care_follows_each_order_and_ends_with_its_refund_alone() -> None:
    plan = plan_for(BUILT_IN["aftercare"])
    names = [name for name, _ in Walk(plan, {"order_id": "o1"}).days(40).done]
    assert names == ["care", "review", "refill"]
    of_another = Walk(plan, {"order_id": "o1"}).days(1).does("order_refunded", order_id="o2").days(40)
    assert len(of_another.done) == 3
    assert Walk(plan, {"order_id": "o1"}).days(1).does("order_refunded", order_id="o1").days(40).done == []
    unhappy = Walk(plan, {"order_id": "o1"}).days(9).does("form_submit", form_id="unhappy").days(40)
    assert [name for name, _ in unhappy.done] == ["care", "review", "不满意回访"]


def test_winning_back_goes_by_what_was_spent() -> None:
    plan = plan_for(BUILT_IN["win_back"])
    rich, poor = Walk(plan, holds=True).days(40), Walk(plan).days(40)
    assert (rich.coupons, poor.coupons) == (["high"], ["low"])
    assert [name for name, _ in rich.done] == ["come_back", "again", "高价值顾客唤醒"]
    assert poor.run.reason == "lost"
    assert Walk(plan).days(5).does("order_paid").run.reason == "came_back"


def test_a_cart_is_reminded_of_an_hour_after_the_last_thing_was_put_into_it() -> None:
    plan = plan_for(BUILT_IN["cart"])
    put = Walk(plan).days(0.03).does("add_to_cart").days(0.03)
    assert put.done == []
    assert put.days(0.02).done == [("remind", timedelta(days=0.03) + timedelta(hours=1))]
    assert Walk(plan).days(0.01).does("order_placed").days(1).done == []


def test_a_coupon_is_reminded_of_two_days_before_it_ends() -> None:
    plan = plan_for(BUILT_IN["coupon_ends"])
    entered = {"coupon_id": "c1", "valid_until": (NOW + timedelta(days=7)).isoformat()}
    assert Walk(plan, entered).days(9).done == [("remind", timedelta(days=5))]
    assert Walk(plan, entered).days(1).does("coupon_used", coupon_id="c2").days(9).done != []
    assert Walk(plan, entered).days(1).does("coupon_used", coupon_id="c1").days(9).done == []


def test_a_lobby_s_members_are_told_at_once() -> None:
    walk = Walk(plan_for(BUILT_IN["lobby"]), {"lobby_id": "lb1"})
    assert walk.done == [("remind", timedelta())] and walk.run.state == "ended"
