"""What steps do: coupons within what one person gets, messages and tasks that are waited for, branches; and what races
for one run."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from chalicelib.core import clock
from chalicelib.customers.members import service as members
from chalicelib.growth.journeys.hearing import service as hearing
from chalicelib.growth.journeys.keeping.queries import Standing
from chalicelib.growth.journeys.limits.queries import received
from chalicelib.growth.journeys.listening.rules import Heard
from chalicelib.growth.journeys.observing.service import tell as tell_heard
from chalicelib.growth.journeys.runs.queries import runs_of
from chalicelib.growth.journeys.settings import JOURNEYS, JourneyRules
from chalicelib.growth.journeys.stepping.rules import Advanced
from chalicelib.growth.journeys.stepping.service import stop
from chalicelib.growth.messaging.ports import results, source_of
from chalicelib.growth.messaging.rules import Message
from chalicelib.growth.messaging.tasks import service as tasks
from chalicelib.growth.messaging.tasks.tables import Tasks
from chalicelib.platform.jobs import worker
from chalicelib.platform.store import tools
from chalicelib.platform.store.transaction import Transaction
from tests.support.coupons import template
from tests.support.distribution import bare_member
from tests.support.journey_mall import JourneyMall, message_template, messages_to, opened

#: What a coupon of `template` takes off, in fen.
_OFF_FEN = 1000


@pytest.fixture(scope="module")
def world(dynamodb: str) -> Iterator[JourneyMall]:
    with opened("journey-steps") as mall:
        yield mall


def coupon_of(**changes: Any) -> str:
    return template(**{"how": ["journey"], "total": 100, "limit_per_member": 100, **changes}).template_id


def giving(world: JourneyMall, template_id: str, **parts: Any) -> str:
    steps = {"give": {"grant": {"template": template_id}, "next": "rest"}, "rest": {"wait": {"days": 1}}}
    return world.journey(steps, **parts)


def test_a_person_gets_so_many_coupons_of_all_journeys(world: JourneyMall) -> None:
    JOURNEYS.change(JourneyRules(grants_max=2))
    try:
        member_id = bare_member()
        journeys = [giving(world, coupon_of()) for _ in range(3)]
        for one in journeys:
            world.enter(one, member_id)
            world.wait(seconds=2)
        assert [world.run(member_id, one).last for one in journeys] == ["given", "given", "limit"]
        assert len(world.coupons(member_id)) == len(received(member_id).value.coupons) == 2
        assert world.counted(journeys[2])["grants|limit"] == 1
        world.wait(days=91)
        again = giving(world, coupon_of())
        world.enter(again, member_id)
        world.wait(seconds=2)
        assert world.run(member_id, again).last == "given"
    finally:
        JOURNEYS.change(JourneyRules())
    world.check()


def test_racing_journeys_keep_within_a_persons_bound_of_fen(world: JourneyMall) -> None:
    JOURNEYS.change(JourneyRules(grants_fen_max=3 * _OFF_FEN))
    try:
        member_id = bare_member()
        journeys = [giving(world, coupon_of(amount_fen=_OFF_FEN)) for _ in range(8)]
        unbounded = giving(world, coupon_of(kind="percent_off", amount_fen=None, percent_off=50, threshold_fen=0))
        for one in (unbounded, *journeys):
            world.enter(one, member_id)
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda _: worker.run_due(), range(4)))
        world.wait(seconds=120)
        outcomes = sorted(world.run(member_id, one).last for one in journeys)
        assert outcomes == ["given"] * 3 + ["limit"] * 5
        assert world.run(member_id, unbounded).last == "limit"
    finally:
        JOURNEYS.change(JourneyRules())
    world.check()


def test_a_coupon_that_is_refused_is_what_the_run_goes_by(world: JourneyMall) -> None:
    sold_out = coupon_of(total=1, limit_per_member=1)
    cases = {"coupon_not_offered": coupon_of(how=["claim"]), "sold_out": sold_out, "not_found": "ctnothing"}
    first = bare_member()
    world.enter(giving(world, sold_out), first)
    world.wait(seconds=2)
    for outcome, template_id in cases.items():
        journey_id, member_id = giving(world, template_id), bare_member()
        world.enter(journey_id, member_id)
        world.wait(seconds=2)
        run = world.run(member_id, journey_id)
        assert (run.last, run.step) == (outcome, "rest")
        assert received(member_id).value.coupons == []
    blocked, journey_id = bare_member(), giving(world, coupon_of())
    world.enter(journey_id, blocked)
    members.block(blocked, "spam")
    world.wait(seconds=2)
    assert world.run(blocked, journey_id).last == "member_blocked"
    world.check()


def test_a_branch_goes_by_what_the_member_and_the_run_are(world: JourneyMall) -> None:
    _, tag = world.tag()
    segment_id = world.live({"event": "cart_view", "within_days": 30, "op": ">=", "count": 1})
    rule = {"profile": "phone", "op": "exists"}
    journey_id = world.journey(
        {
            "give": {"grant": {"template": "ctnothing"}, "next": "by_last"},
            "by_last": {"branch": [{"if": {"last": "given"}, "next": "wrong"}], "else": "by_segment"},
            "by_segment": {"branch": [{"if": {"segment": segment_id}, "next": "by_tag"}], "else": "wrong"},
            "by_tag": {"branch": [{"if": {"tag": tag, "not": True}, "next": "by_rule"}], "else": "wrong"},
            "by_rule": {"branch": [{"if": {"rule": rule}, "next": "wrong"}], "else": "by_entry"},
            "by_entry": {"branch": [{"if": {"entered_with": {"category_id": "c7"}}, "next": "right"}]},
            "wrong": {"exit": {"reason": "wrong"}}, "right": {"exit": {"reason": "right"}},
        },
        entry={"event": "category_view"},
    )  # fmt: skip
    member_id = bare_member()
    world.hear(member_id, "cart_view")
    world.hear(member_id, "category_view", category_id="c7")
    world.wait(seconds=5)
    assert world.run(member_id, journey_id).reason == "right"
    world.check()


def waiting(world: JourneyMall, **more: Any) -> str:
    said = message_template()
    return world.journey(
        {
            "tell": {"message": {"purpose": "service", "template": said, "on_skip": "wait", **more}, "next": "by"},
            "by": {"branch": [{"if": {"last": "sent"}, "next": "right"}], "else": "other"},
            "right": {"exit": {"reason": "told"}}, "other": {"exit": {"reason": "untold"}},
        }
    )  # fmt: skip


def end(message: Message, state: str, reason: str = "") -> None:
    """The message comes to this end."""
    tx = Transaction()
    results().ended(tx, msgspec.structs.replace(message, state=state, reason=reason))  # type: ignore[arg-type]
    tx.commit()


def test_a_run_waits_for_what_becomes_of_its_message(world: JourneyMall) -> None:
    journey_id = waiting(world)
    told, dropped, silent = (bare_member() for _ in range(3))
    world.enter(journey_id, told, dropped, silent)
    for member_id, state, reason in ((told, "sent", ""), (dropped, "dropped", "capped")):
        (message,) = messages_to(member_id)
        assert message.run
        for _ in range(2):
            end(message, state, reason)
        world.wait(seconds=2)
    assert world.run(told, journey_id).reason == "told"
    run = world.run(dropped, journey_id)
    assert (run.reason, run.last) == ("untold", "capped")
    assert world.active(silent, journey_id).step == "tell"
    world.wait(hours=26)
    assert world.run(silent, journey_id).reason == "untold"
    world.check()


def stands(member_id: str) -> bool:
    """Whether the only message to the member is still to go out."""
    (message,) = messages_to(member_id)
    source = source_of(message)
    assert source is not None
    return source.stands(Transaction(), message)


def test_what_a_run_has_queued_is_not_sent_once_it_was_cut_off(world: JourneyMall) -> None:
    tell: dict[str, Any] = {"message": {"purpose": "service", "template": message_template()}}
    exits = [{"event": "add_to_cart", "reason": "out"}]
    steps = {"tell": tell | {"next": "rest"}, "rest": {"wait": {"days": 2}}}
    journey_id, brief = world.journey(steps, exits=exits), world.journey({"tell": tell})
    out, stays, stopped, done = (bare_member() for _ in range(4))
    world.enter(journey_id, out, stays, stopped)
    world.enter(brief, done)
    assert all(stands(one) for one in (out, stays, stopped, done))
    tx = Transaction()
    tell_heard(tx, out, [Heard("c1", "add_to_cart", clock.now())])
    tx.commit()
    world.wait(seconds=2)
    stop((stopped, journey_id, world.run(stopped, journey_id).run_id), "by_operator")
    assert [world.run(one, journey_id).reason for one in (out, stopped)] == ["out", "by_operator"]
    assert [stands(one) for one in (out, stays, stopped, done)] == [False, True, False, True]


def test_a_run_waits_for_the_outcome_of_its_task(world: JourneyMall) -> None:
    journey_id = world.journey(
        {
            "call": {
                "task": {"title": "回访", "outcomes": ["reached", "no_answer"], "due_hours": 24},
                "on": {"reached": "talked"}, "next": "missed",
            },
            "talked": {"exit": {"reason": "talked"}}, "missed": {"exit": {"reason": "missed"}},
        }
    )  # fmt: skip
    reached, late = bare_member(), bare_member()
    world.enter(journey_id, reached, late)
    opened_for = {item.task.member_id: item.task for item in tools.scan(Tasks)}
    tasks.finish(opened_for[reached].task_id, "reached", "", "anna")
    world.wait(seconds=2)
    assert world.run(reached, journey_id).reason == "talked"
    world.wait(hours=25)
    assert world.run(late, journey_id).reason == "missed"
    tasks.finish(opened_for[late].task_id, "reached", "", "anna")
    world.wait(seconds=2)
    assert world.run(late, journey_id).reason == "missed"
    world.check()


def test_a_time_that_is_over_and_a_fact_race_for_one_run(world: JourneyMall) -> None:
    coupon = coupon_of()
    journey_id = world.journey(
        {
            "listen": {
                "wait_for": {"event": "cart_view", "timeout": {"hours": 1}, "then": "came", "on_timeout": "late"},
            },
            "came": {"grant": {"template": coupon}, "next": "by_fact"}, "by_fact": {"exit": {"reason": "fact"}},
            "late": {"grant": {"template": coupon}, "next": "by_time"}, "by_time": {"exit": {"reason": "time"}},
        }
    )  # fmt: skip
    crowd = [bare_member() for _ in range(12)]
    world.enter(journey_id, *crowd)
    world.mall.clock.advance(timedelta(hours=1, minutes=1).total_seconds())
    for one in crowd:
        tx = Transaction()
        for cause in ("a", "b"):
            tell_heard(tx, one, [Heard(f"{one}{cause}", "cart_view", clock.now())])
        tx.commit()
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: worker.run_due(), range(8)))
    world.wait(minutes=3)
    for one in crowd:
        assert world.run(one, journey_id).reason in ("fact", "time")
        assert world.coupons(one) == [coupon]
    world.check()


def test_facts_told_twice_and_late_change_nothing_twice(world: JourneyMall) -> None:
    journey_id = world.journey(
        {
            "first": {"wait_for": {"event": "cart_view", "timeout": {"days": 1}, "then": "second"}},
            "second": {"wait_for": {"event": "cart_view", "timeout": {"days": 1}, "then": "third"}},
            "third": {"wait": {"days": 3}},
        }
    )  # fmt: skip
    member_id = bare_member()
    world.enter(journey_id, member_id)
    entered = clock.now()
    world.wait(minutes=1)
    facts = [Heard(f"f{n}", "cart_view", entered + timedelta(seconds=n)) for n in (1, 2)]
    for fact in (facts[0], facts[0], Heard("old", "cart_view", entered - timedelta(days=1))):
        tx = Transaction()
        tell_heard(tx, member_id, [fact])
        tx.commit()
        world.wait(seconds=2)
    assert world.run(member_id, journey_id).step == "second"
    tx = Transaction()
    tell_heard(tx, member_id, [facts[1]])
    tx.commit()
    world.wait(seconds=2)
    assert world.run(member_id, journey_id).step == "third"
    world.check()


def test_orders_and_coupons_are_facts(world: JourneyMall) -> None:
    coupon = template(how=["claim"], total=10, limit_per_member=5)
    names = ("order_placed", "order_paid", "coupon_got", "coupon_used", "order_refunded")
    journeys = {
        name: world.journey({"rest": {"wait": {"days": 1}}}, entry={"event": name}, re_entry={"max": 9})
        for name in names
    }
    member_id = world.member()
    world.phone(member_id).post(f"/v1/coupon-templates/{coupon.template_id}/claim").ok(201)
    world.wait(seconds=2)
    held = world.run(member_id, journeys["coupon_got"]).entered_with
    assert held["template_id"] == coupon.template_id and "valid_until" in held
    order = world.mall.buy(member_id, ("pot", 1), coupons=(str(held["coupon_id"]),))
    world.wait(seconds=2)
    for name in ("order_placed", "order_paid"):
        entered_with = world.run(member_id, journeys[name]).entered_with
        assert (entered_with["order_id"], entered_with["amount_fen"]) == (order.order_id, order.payable_fen)
    assert world.run(member_id, journeys["coupon_used"]).entered_with["coupon_id"] == held["coupon_id"]
    assert runs_of(member_id, journeys["order_refunded"]) == []
    world.mall.refund(order)
    world.wait(seconds=2)
    assert world.run(member_id, journeys["order_refunded"]).entered_with["order_id"] == order.order_id
    world.check()


def test_what_is_given_back_is_taken_off(world: JourneyMall) -> None:
    journey_id = world.journey({"rest": {"wait": {"days": 9}}}, goal={"event": "order_paid", "within_days": 9})
    member_id = world.member()
    before = world.mall.buy(member_id, ("cup", 1))
    world.wait(seconds=1)
    world.enter(journey_id, member_id)
    world.wait(seconds=1)
    order = world.mall.buy(member_id, ("pot", 2))
    world.mall.refund(before)
    world.mall.refund(order, ("pot", 1))
    world.wait(seconds=2)
    left = world.mall.order(order)
    back = sum(one.amount_fen for one in left.refunds)
    assert 0 < back < order.payable_fen
    counted = world.counted(journey_id)
    assert counted["gmv|treated"] == order.payable_fen - back
    assert counted["gmv2|treated"] == (order.payable_fen - back) ** 2
    assert counted["conv|treated"] == 1


def test_a_run_is_ended_by_an_operator_once(world: JourneyMall) -> None:
    journey_id, member_id = world.journey({"rest": {"wait": {"days": 9}}}), bare_member()
    world.enter(journey_id, member_id)
    run = world.run(member_id, journey_id)
    which = member_id, journey_id, run.run_id
    assert stop(which, "by_operator") and not stop(which, "by_operator")
    assert world.run(member_id, journey_id).reason == "by_operator"
    world.wait(days=10)
    world.check()


def test_of_a_journey_that_has_ended_nobody_goes_on(world: JourneyMall) -> None:
    journey_id, member_id = (
        world.journey({"one": {"wait": {"days": 1}, "next": "two"}, "two": {"wait": {"days": 1}}}),
        bare_member(),
    )
    world.enter(journey_id, member_id)
    world.set_state(journey_id, "ended")
    world.wait(days=2)
    assert world.run(member_id, journey_id).reason == "journey_ended"
    world.check()


def test_a_fault_in_one_run_keeps_no_other_from_hearing(world: JourneyMall) -> None:
    def listening() -> str:
        return world.journey(
            {"a": {"wait_for": {"event": "cart_view", "timeout": {"days": 1}, "then": "b"}}, "b": {"wait": {"days": 1}}}
        )

    faulty, sound, member_id = listening(), listening(), bare_member()
    world.enter(faulty, member_id)
    world.enter(sound, member_id)
    world.wait(seconds=1)
    whole = hearing._advanced

    def failing(there: Standing, fact: Heard) -> Advanced | None:
        if there.run.journey_id == faulty:
            raise ZeroDivisionError
        return whole(there, fact)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(hearing, "_advanced", failing)
        world.hear(member_id, "cart_view")
        worker.run_due()
        assert (world.run(member_id, sound).step, world.run(member_id, faulty).step) == ("b", "a")
    world.wait(hours=1)
    assert world.run(member_id, faulty).step == "b"
    world.check()
