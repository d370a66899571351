"""Operators write journeys over HTTP: what is drafted, published, let rest and ended; who is let in; what is refused,
in both languages, with the step and why."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from unittest.mock import Mock

import pytest

from chalicelib.core import clock
from chalicelib.growth.journeys.book import queries as books
from chalicelib.growth.journeys.enrolling import rules as enrolling
from chalicelib.growth.journeys.runs.queries import runs_of
from chalicelib.growth.segments.audiences import queries as listing
from chalicelib.growth.segments.audiences import service as audiences
from chalicelib.mall.operators.rules import ROLES
from tests.support import messages
from tests.support.journey_office import ALL, Office, opened
from tests.support.merging import redirect
from tests.support.operators import appointed

WAITS: dict[str, Any] = {"rest": {"wait": {"days": 3}}}


@pytest.fixture(scope="module")
def world(dynamodb: str) -> Iterator[Office]:
    with opened("journey-calls") as office:
        yield office


def test_a_draft_is_published_as_a_version_and_the_next_as_another(world: Office) -> None:
    journey_id = world.draft(WAITS)
    drafted = world.operator.get(f"{ALL}/{journey_id}").ok()
    assert (drafted["state"], drafted["version"], drafted["draft"]["steps"]) == ("draft", 0, WAITS)
    assert "definition" not in drafted and "problems" not in drafted
    assert world.publish(journey_id) == 1
    world.operator.post(f"{ALL}/{journey_id}/publish").refused(409, "nothing_to_publish")
    world.operator.put(f"{ALL}/{journey_id}/draft", world.body(WAITS)).ok()
    world.operator.post(f"{ALL}/{journey_id}/publish").refused(409, "nothing_to_publish")
    assert world.next_version(journey_id, WAITS, name="另一个") == 2
    shown = world.operator.get(f"{ALL}/{journey_id}").ok()
    assert (shown["name"], shown["state"], shown["definition"]["name"]) == ("另一个", "live", "另一个")
    assert [one["version"] for one in shown["versions"]] == [2, 1]
    card = next(one for one in world.operator.get(ALL).ok()["items"] if one["journey_id"] == journey_id)
    assert (card["version"], card["has_draft"]) == (2, False)


def test_a_journey_of_many_versions_is_shown_by_few_reads(world: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    journey_id = world.journey(WAITS)
    for days in range(1, 12):
        if days != 3:
            world.next_version(journey_id, {"rest": {"wait": {"days": days}}})
    read_one = Mock(wraps=books.version)
    monkeypatch.setattr(books, "version", read_one)
    shown = world.operator.get(f"{ALL}/{journey_id}").ok()
    assert [one["version"] for one in shown["versions"]] == list(range(11, 0, -1)) and read_one.call_count == 0
    assert shown["definition"]["steps"] == {"rest": {"wait": {"days": 11}}}


def test_what_is_wrong_with_a_draft_is_told_before_and_as_it_is_published(world: Office) -> None:
    steps = {
        "gift": {"grant": {"template": "ct_none"}, "next": "tell"},
        "tell": {"message": {"purpose": "service", "template": "mt_none"}, "next": "gift"},
        "alone": {"tag": "t_none"},
    }
    journey_id = world.draft(steps, audience="sg_none")
    told = world.operator.get(f"{ALL}/{journey_id}", **{"Accept-Language": "en"}).ok()["problems"]
    refused = world.operator.post(f"{ALL}/{journey_id}/publish", **{"Accept-Language": "en"})
    problem = refused.refused(422, "journey_invalid")
    assert problem["errors"] == told
    assert {(one["field"], one["step"], one["code"]) for one in told} == {
        ("steps.gift", "gift", "journey_coupon_missing"), ("steps.tell", "tell", "journey_message_missing"),
        ("steps.alone", "alone", "journey_tag_missing"), ("steps.alone", "alone", "step_not_reached"),
        ("audience", "audience", "journey_segment_missing"), ("steps.gift", "gift", "ring_without_wait"),
        ("steps.gift", "gift", "journey_by_clients_word"),
    }  # fmt: skip
    assert "Step gift: there is no coupon template ct_none" in {one["message"] for one in told}
    chinese = world.operator.post(f"{ALL}/{journey_id}/publish").refused(422, "journey_invalid")["errors"]
    assert "步骤 gift：没有优惠券模板 ct_none" in {one["message"] for one in chinese}


def test_what_sells_by_a_medium_that_may_not_is_refused(world: Office) -> None:
    sells = {"tell": {"message": {"purpose": "marketing", "template": world.words(), "media": ["oa"]}}}
    refused = world.operator.post(f"{ALL}/{world.draft(sells)}/publish").refused(422, "journey_invalid")
    codes = {(one["step"], one["code"]) for one in refused["errors"]}
    assert codes == {("tell", "purpose_differs"), ("tell", "marketing_forbidden")}
    text = "上新，拒收请回复R"
    by_sms = {"tell": {"message": {"purpose": "marketing", "template": world.words("marketing", "sms", text)}}}
    journey_id = world.draft(by_sms)
    media = world.operator.get("/v1/admin/settings/media").ok()
    world.operator.put("/v1/admin/settings/media", {**media, "sms": False}).ok()
    try:
        off = world.operator.post(f"{ALL}/{journey_id}/publish").refused(422, "medium_off")
        assert [one["field"] for one in off["errors"]] == ["steps.tell"]
    finally:
        world.operator.put("/v1/admin/settings/media", media).ok()
    world.publish(journey_id)


def test_a_rule_in_a_branch_is_held_against_what_there_is(world: Office) -> None:
    asks = {"ask": {"branch": [{"if": {"rule": {"segment": "sg_none"}}, "next": "rest"}], "else": "rest"}, **WAITS}
    refused = world.operator.post(f"{ALL}/{world.draft(asks)}/publish").refused(422, "journey_invalid")
    (error,) = refused["errors"]
    assert (error["step"], error["code"], error["why"]) == ("ask", "journey_rule_wrong", "no_such_segment")
    assert "sg_none" in error["message"]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"name": "x", "entry": {"api": True}, "first": "a"}, "steps"),
        ({"name": "x", "entry": {"cat": 1}, "first": "a", "steps": {"a": {"tag": "x"}}}, "entry.cat"),
        ({"name": "x", "entry": {"api": True}, "first": "a", "steps": {"a": {"wait": {}}}}, "steps.a.wait"),
        ({"name": "x", "entry": {"api": True}, "first": "a", "steps": {"a": {"jump": 1}}}, "steps.a.jump"),
        ({"name": "x", "entry": {"api": True}, "first": "a", "steps": {"a": {"tag": 1}}}, "steps.a.tag"),
    ],
)
def test_what_is_no_journey_is_malformed_with_its_place(world: Office, body: dict[str, Any], field: str) -> None:
    refused = world.operator.post(ALL, body).refused(400, "malformed")
    assert [one["field"] for one in refused["errors"]] == [field]


def test_a_built_in_journey_is_drafted_with_what_is_chosen_and_published_when_nothing_is_open(world: Office) -> None:
    listed = {one["built_in"]: one for one in world.operator.get(f"{ALL}/built-in").ok()["items"]}
    assert list(listed) == [
        "ladder", "renewal", "welcome", "aftercare", "win_back", "cart", "lobby", "coupon_ends",
    ]  # fmt: skip
    ladder = listed["ladder"]
    assert [one["percent_off"] for one in ladder["slots"] if one["kind"] == "coupon"] == [15, 57, 72, 57, 42, 5]
    chosen = {
        one["slot"]: world.gift(one["percent_off"]) if one["kind"] == "coupon" else world.words()
        for one in ladder["slots"]
    }
    left = {name: one for name, one in chosen.items() if name != "up_5"}
    asked = {"built_in": "ladder", "templates": left, "control_percent": 20, "re_entry": {"after_days": 90}}
    made = world.operator.post(ALL, asked).ok(201)
    assert (made["name"], made["built_in"]) == ("优惠阶梯", "ladder")
    assert (made["draft"]["control_percent"], made["draft"]["re_entry"]) == (20, {"after_days": 90})
    assert made["draft"]["goal"] == ladder["definition"]["goal"]
    assert [(one["step"], one["code"], one["slot"]) for one in made["problems"]] == [("up_5", "slot_open", "up_5")]
    english = world.operator.post(
        ALL, {"built_in": "ladder", "templates": chosen}, **{"Accept-Language": "en"}
    ).ok(201)  # fmt: skip
    assert english["name"] == "The ladder" and "problems" not in english
    assert world.publish(english["journey_id"]) == 1
    told = {step["message"]["purpose"] for step in english["draft"]["steps"].values() if "message" in step}
    assert told == {"service"}


@pytest.mark.parametrize(
    ("templates", "field", "code"),
    [({"up_99": "ct1"}, "templates.up_99", "no_such_slot"), ({"up_5": ""}, "templates", "")],
)
def test_a_slot_that_there_is_not_is_refused(
    world: Office, templates: dict[str, str], field: str, code: str
) -> None:  # fmt: skip
    answer = world.operator.post(ALL, {"built_in": "ladder", "templates": templates})
    (error,) = answer.refused(422 if code else 400, "invalid" if code else "malformed")["errors"]
    assert error["field"].startswith(field) and (not code or error["code"] == code)


def test_a_coupon_of_another_worth_is_not_taken_for_a_slot(world: Office) -> None:
    body = {"built_in": "ladder", "templates": {"up_5": world.gift(57)}}
    (error,) = world.operator.post(ALL, body).refused(422, "invalid")["errors"]
    assert (error["field"], error["code"], error["percent"]) == ("templates.up_5", "slot_differs", 5)
    world.operator.post(ALL, {"built_in": "staircase"}).refused(422, "invalid")


def test_a_draft_is_thrown_away_and_what_was_published_stays(world: Office) -> None:
    journey_id = world.draft(WAITS)
    world.operator.delete(f"{ALL}/{journey_id}/draft").ok(204)
    world.operator.get(f"{ALL}/{journey_id}").refused(404, "not_found")
    published = world.journey(WAITS)
    world.operator.put(f"{ALL}/{published}/draft", world.body(WAITS, name="新")).ok()
    world.operator.delete(f"{ALL}/{published}/draft").ok(204)
    shown = world.operator.get(f"{ALL}/{published}").ok()
    assert "draft" not in shown and shown["version"] == 1


def test_states_follow_each_other_and_no_others(world: Office) -> None:
    journey_id = world.draft(WAITS)
    for call, body in (("pause", None), ("resume", None), ("end", {"runs": "exit"})):
        world.operator.post(f"{ALL}/{journey_id}/{call}", body).refused(409, "not_running")
    world.operator.post(f"{ALL}/{journey_id}/enter", {"members": ["mb1"]}, key="k").refused(409, "not_running")
    world.publish(journey_id)
    world.operator.post(f"{ALL}/{journey_id}/resume").refused(409, "not_running")
    assert world.operator.post(f"{ALL}/{journey_id}/pause").ok()["state"] == "paused"
    world.operator.post(f"{ALL}/{journey_id}/pause").refused(409, "not_running")
    assert world.next_version(journey_id, WAITS, note="x") == 2
    resumed = world.operator.post(f"{ALL}/{journey_id}/resume").ok()
    assert (resumed["state"], resumed["moving"][0]["kind"], resumed["moving"][0]["running"]) == ("live", "resume", True)
    assert world.operator.post(f"{ALL}/{journey_id}/end", {"runs": "finish"}).ok()["state"] == "ending"
    world.operator.put(f"{ALL}/{journey_id}/draft", world.body(WAITS)).refused(409, "not_running")
    world.mall.wait(60)
    shown = world.operator.get(f"{ALL}/{journey_id}").ok()
    assert (shown["state"], shown["moving"][0]["running"]) == ("ended", False)
    world.operator.post(f"{ALL}/{journey_id}/end", {"runs": "exit"}).refused(409, "not_running")


def test_nothing_waits_to_go_out_of_a_journey_that_was_ended_at_once(world: Office) -> None:
    now = clock.now().astimezone(clock.SHANGHAI)
    world.mall.wait((messages.NOON - (now.hour * 60 + now.minute) * 60) % messages.DAY)  # nobody is asleep
    made, ends = messages.template().template_id, ("exit", "finish")
    with messages.platforms() as outside:
        journeys = [world.journey(WAITS) for _ in ends]
        asked = [messages.asked(made, messages.member(), source=f"journey:{one}") for one in journeys]
        waiting = [messages.queue(one) for one in asked]
        for journey_id, runs in zip(journeys, ends, strict=True):
            world.operator.post(f"{ALL}/{journey_id}/end", {"runs": runs}).ok()
        world.mall.wait(60)
        assert world.operator.get(f"{ALL}/{journeys[1]}").ok()["state"] == "ended"
        assert [messages.state(one) for one in waiting] == ["dropped:recalled", "sent"]
        assert [letter.message_id for letter in outside.took] == waiting[1:]


def test_members_are_let_in_once_for_a_key_and_who_is_not_is_counted_by_reason(world: Office) -> None:
    journey_id = world.journey(WAITS)
    first, second, blocked = world.member(), world.member(), world.member()
    world.operator.post(f"/v1/admin/members/{blocked}/block", {"reason": "试"}).ok()
    body = {"members": [first, blocked, "mb_nobody", first]}
    entered = world.operator.post(f"{ALL}/{journey_id}/enter", body, key="once").ok()
    assert (entered["entered"], entered["refused"], entered["state"]) == (1, {"excluded": 1, "gone": 1}, "done")
    assert world.operator.post(f"{ALL}/{journey_id}/enter", body, key="once").ok() == entered
    world.operator.post(f"{ALL}/{journey_id}/enter", {"members": [second]}, key="once").refused(
        422, "idempotency_key_reused"
    )
    assert world.enter(journey_id, first, second)["refused"] == {"active": 1}
    world.operator.post(f"{ALL}/{journey_id}/enter", {}, key="two").refused(422, "invalid")
    world.operator.post(f"{ALL}/{journey_id}/enter", body).refused(400, "idempotency_key_missing")
    world.nobody_is_lost(journey_id)


def test_an_audience_is_let_in_by_jobs(world: Office) -> None:
    journey_id = world.journey(WAITS)
    members = [world.member() for _ in range(45)]
    audience = world.operator.post("/v1/admin/audiences", {"members": members}, key=secrets.token_hex(8)).ok(201)
    body = {"audience_id": audience["audience_id"]}
    asked = world.operator.post(f"{ALL}/{journey_id}/enter", body, key="crowd").ok()
    assert (asked["state"], asked["entered"]) == ("running", 0)
    world.mall.work()
    done = world.operator.get(f"{ALL}/{journey_id}/enter/{asked['enrolment_id']}").ok()
    assert (done["state"], done["entered"], done["refused"]) == ("done", 45, {})
    assert world.operator.post(f"{ALL}/{journey_id}/enter", body, key="crowd").ok() == done
    world.operator.post(f"{ALL}/{journey_id}/enter", {"audience_id": "au_none"}, key="none").refused(422, "invalid")
    assert world.nobody_is_lost(journey_id)["entered"] == 45


def test_of_a_long_audience_nobody_is_passed_over(world: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    for room in (audiences, listing):
        monkeypatch.setattr(room, "LISTED_PER_ITEM", 7)
    monkeypatch.setattr(enrolling, "LONG", 40)
    journey_id, members = world.journey(WAITS), [world.member() for _ in range(50)]
    asked = {"members": members}
    audience = world.operator.post("/v1/admin/audiences", asked, key=secrets.token_hex(8)).ok(201)["audience_id"]
    path = f"{ALL}/{journey_id}/enter"
    enrolled = world.operator.post(path, {"audience_id": audience}, key="long").ok()
    world.mall.work()
    done = world.operator.get(f"{path}/{enrolled['enrolment_id']}").ok()
    assert (done["state"], done["entered"], done["refused"]) == ("done", 50, {})
    assert world.nobody_is_lost(journey_id)["entered"] == 50


def test_a_run_is_seen_step_by_step_and_ended(world: Office) -> None:
    gift = world.gift()
    journey_id = world.journey({"gift": {"grant": {"template": gift}, "next": "rest"}, **WAITS})
    member_id = world.member()
    world.enter(journey_id, member_id)
    world.mall.work()
    listed = world.operator.get(f"/v1/admin/members/{member_id}/runs").ok()["items"]
    (run,) = [one for one in listed if one["journey_id"] == journey_id]
    assert (run["member_id"], run["journey"], run["step"], run["state"]) == (member_id, "旅程", "rest", "active")
    shown = world.operator.get(f"/v1/admin/runs/{run['run_id']}").ok()
    assert [(one["step"], one.get("done")) for one in shown["passed"]] == [("gift", "given"), ("rest", None)]
    ended = world.operator.post(f"/v1/admin/runs/{run['run_id']}/exit").ok()
    assert (ended["state"], ended["reason"]) == ("ended", "by_operator")
    world.operator.post(f"/v1/admin/runs/{run['run_id']}/exit").refused(409, "not_running")
    world.operator.get(f"/v1/admin/runs/{member_id}-jr_none").refused(404, "not_found")
    assert world.nobody_is_lost(journey_id)["ended|by_operator"] == 1
    assert "journeys.read" in ROLES["merchandiser"]


def test_who_became_another_this_moment_is_let_in_and_out_as_who_they_are(world: Office) -> None:
    asks = {"ask": {"task": {"title": "回访"}, "next": "rest"}, **WAITS}
    inside, other = world.journey(WAITS), world.journey(asks)
    people = [(world.member(), world.member()) for _ in range(2)]
    for former, _ in people:
        world.enter(inside, former)
    runs = {former: world.run(former, inside).run_id for former, _ in people}
    for former, member_id in people:
        redirect(former, member_id)  # and nothing is moved yet
    (let_in, now), (let_out, then) = people
    assert world.enter(other, let_in)["entered"] == 1
    assert world.operator.post(f"/v1/admin/runs/{let_out}-{runs[let_out]}/exit").ok()["reason"] == "by_operator"
    assert [world.run(now, one).state for one in (inside, other)] == ["active"] * 2
    assert world.run(then, inside).reason == "by_operator"
    assert runs_of(let_in) == runs_of(let_out) == []
    world.nobody_is_lost(inside)


def test_who_may_not_read_members_is_shown_none_by_ending_their_run(world: Office) -> None:
    journey_id, member_id = world.journey(WAITS), world.member()
    world.enter(journey_id, member_id)
    path = f"/v1/admin/runs/{member_id}-{world.run(member_id, journey_id).run_id}"
    merchandiser = appointed(world.operator, "merchandiser")
    for answer in (merchandiser.post(f"{path}/exit"), merchandiser.get(path)):
        assert member_id not in str(answer.refused(403, "forbidden"))
    assert world.run(member_id, journey_id).state == "active"


def test_the_report_counts_steps_arms_and_ends(world: Office) -> None:
    gift = world.gift()
    steps = {
        "gift": {"grant": {"template": gift}, "next": "buys"},
        "buys": {"wait_for": {"event": "order_paid", "timeout": {"days": 2}, "then": "bought", "on_timeout": "never"}},
        "bought": {"exit": {"reason": "bought"}},
        "never": {"exit": {"reason": "never"}},
    }
    journey_id = world.journey(steps, goal={"event": "order_paid", "within_days": 5}, control_percent=50)
    members = [world.member() for _ in range(30)]
    entered = world.enter(journey_id, *members)
    world.mall.work()
    treated = [one for one in members if not world.run(one, journey_id).control]
    assert 0 < len(treated) < 30 and entered["entered"] == len(treated)
    buyer = treated[0]
    world.mall.buy(buyer, ("pot", 1))
    world.mall.work()
    report = world.report(journey_id)
    assert (report["entered"], report["parked"], report["ended"]) == (30, 0, {"bought": 1})
    assert report["active"] == 29
    steps_told = {one["step"]: (one["in"], one["out"], one["waiting"]) for one in report["by_step"]}
    assert steps_told["gift"] == (len(treated), len(treated), 0)
    assert steps_told["buys"] == (len(treated), 1, len(treated) - 1)
    arms = {one["arm"]: one for one in report["arms"]}
    assert arms["treated"]["converted"] == 1 and arms["treated"]["gmv_fen"] > 0
    assert arms["control"]["members"] == 30 - len(treated) and arms["control"]["rate_bp"] == 0
    assert report["uplift"]["verdict"] == "not_enough" and report["srm"]["off"] is False
    assert report["grants"] == {"given": len(treated)} and report["cost_fen"] == 0
    assert world.report(journey_id, 1)["entered"] == 30
    world.operator.get(f"{ALL}/{journey_id}/report?version=2").refused(422, "invalid")
    world.mall.wait(timedelta(days=6).total_seconds())
    ended = world.report(journey_id)
    assert ended["active"] == 0 and ended["ended"] == {
        "bought": 1, "never": len(treated) - 1, "control": 30 - len(treated),
    }  # fmt: skip
    world.nobody_is_lost(journey_id)


def test_how_many_members_a_journey_needs_is_said_as_it_is_planned(world: Office) -> None:
    journey_id = world.draft(WAITS, goal={"event": "order_paid"}, control_percent=10)
    told = world.operator.post(f"{ALL}/{journey_id}/publish").ok()["members_needed"]
    assert (told["base_bp"], told["uplift_bp"], told["control_percent"]) == (300, 100, 10)
    assert 25_000 < told["members"] < 27_000
    without = world.draft(WAITS)
    assert "members_needed" not in world.operator.post(f"{ALL}/{without}/publish").ok()
    over = (clock.now() - timedelta(days=1)).isoformat()
    late = world.draft(WAITS, ends_at=over)
    world.operator.post(f"{ALL}/{late}/publish").refused(422, "journey_invalid")
