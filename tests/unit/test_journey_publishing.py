"""A journey is published only where every step leads somewhere, nothing goes round without a wait, and all that it
names is there; what is wrong is told with its step and why."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.core.errors import MallError
from chalicelib.growth.journeys import refusals as why
from chalicelib.growth.journeys.paths.rules import entered_at_once
from chalicelib.growth.journeys.publishing.rules import check, faults, needed_for
from chalicelib.growth.journeys.steps.rules import ways
from chalicelib.growth.journeys.surroundings.rules import Coupons, Surroundings
from tests.support.journeys import NOW, coupon_template, mall, message_template, plan

NAMES = [f"s{at}" for at in range(6)]
SAID = {"purpose": "service", "template": "mt1"}
THERE = mall(
    messages={"mt1": message_template("mt1", variables=["name", "order"]),
              "mt2": message_template("mt2", "marketing", ["sms", "call"])},
    coupons={"ct1": Coupons(coupon_template("ct1"), 100)},
    segments=frozenset({"sg1", "silent"}), tags=frozenset({"vip"}),
)  # fmt: skip


def reasons(steps: dict[str, Any], there: Surroundings = THERE, **parts: Any) -> set[tuple[str, str]]:
    return {(one.field, one.reason.code) for one in faults(plan(steps, **parts), there)}


# ways


def _step(kind: str, first: str | None, second: str | None) -> dict[str, Any]:
    bodies: dict[str, dict[str, Any]] = {
        "wait": {"wait": {"days": 1}, "next": first},
        "date": {"wait": {"until_date": "2020-01-01"}, "next": first},
        "clock": {"wait": {"until_date": "2020-01-01", "until": {"time": "10:00"}}, "next": first},
        "wait_for": {"wait_for": {"event": "order_paid", "timeout": {"days": 1}, "then": first, "on_timeout": second}},
        "branch": {"branch": [{"if": {"tag": "vip"}, "next": first}], "else": second},
        "split": {"split": [{"arm": "a", "weight": 1, "next": first}, {"arm": "b", "weight": 1, "next": second}]},
        "grant": {"grant": {"template": "ct1"}, "next": first},
        "tag": {"tag": "vip", "next": first},
        "message": {"message": SAID, "next": first},
        "task": {"task": {"title": "t"}, "next": first},
        "awaited": {"task": {"title": "t"}, "on": {} if second is None else {"done": second}, "next": first},
    }
    return bodies[kind]


QUICK = ("date", "branch", "split", "grant", "tag", "message", "task")
KINDS = ("wait", "clock", "wait_for", "awaited", *QUICK)
GRAPHS = st.dictionaries(
    st.sampled_from(NAMES),
    st.tuples(st.sampled_from(KINDS), *[st.sampled_from([*NAMES, None])] * 2),
    min_size=1,
)


@given(GRAPHS)
def test_what_goes_round_without_a_wait_is_refused_and_nothing_else_is_for_that(graph: dict[str, Any]) -> None:
    found = plan({name: _step(*parts) for name, parts in graph.items()})
    quick = {name for name, (kind, _, second) in graph.items() if kind in QUICK or (kind == "awaited" and not second)}

    def comes_back(start: str) -> bool:
        seen: set[str] = set()
        ahead = [start]
        while ahead:
            following = {one for one in ways(found.steps[ahead.pop()]) if one in quick}
            if start in following:
                return True
            ahead += following - seen
            seen |= following
        return False

    told = [one for one in faults(found, THERE) if one.reason is why.NO_WAIT_IN_RING]
    in_rings = {name for name in quick if comes_back(name)}
    assert bool(told) is bool(in_rings)
    assert {step for one in told for step in one.params["steps"]} <= in_rings


@given(GRAPHS)
def test_every_way_leads_to_a_step_and_every_step_is_reached(graph: dict[str, Any]) -> None:
    found = plan({name: _step(*parts) for name, parts in graph.items()})
    told = faults(found, THERE)
    lost = {name for name, step in found.steps.items() if {one for one in ways(step) if one} - graph.keys()}
    assert {one.params["step"].code for one in told if one.reason is why.NO_SUCH_STEP} == lost
    unreached = {one.params["step"].code for one in told if one.reason is why.NOT_REACHED}
    assert found.first not in unreached
    for name in graph.keys() - unreached:
        assert not {one for one in ways(found.steps[name]) if one} & unreached
    for name in unreached:
        leading = {one for one in graph if name in ways(found.steps[one])}
        assert leading <= unreached


def test_a_journey_that_begins_nowhere_is_refused() -> None:
    assert reasons({"a": {"wait": {"days": 1}}}, first="b") == {("first", "no_such_step")}


def test_journeys_that_lead_into_each_other_without_a_wait_are_refused() -> None:
    there = plan({"a": {"tag": "vip", "next": "b"}, "b": {"enter": {"journey": "jn1"}}}, "jn2")
    back = {"a": {"enter": {"journey": "jn2"}}}
    surroundings = mall(journeys={"jn2": there}, tags=frozenset({"vip"}))
    assert entered_at_once(there) == {"jn1"}
    assert reasons(back, surroundings) == {("steps.a", "ring_of_journeys")}
    slowly = {"w": {"wait": {"minutes": 1}, "next": "a"}, **back}
    assert reasons(slowly, surroundings) == set()
    assert reasons({"a": {"enter": {"journey": "jn1"}}}) == {("steps.a", "ring_of_journeys")}
    assert reasons({"a": {"enter": {"journey": "jn9"}}}) == {("steps.a", "journey_missing")}


# what is named

DONE: dict[str, Any] = {"tag": "vip"}
CASES: list[tuple[dict[str, Any], dict[str, Any], set[tuple[str, str]]]] = [
    ({"a": {"grant": {"template": "ct9"}}}, {}, {("steps.a", "journey_coupon_missing")}),
    ({"a": {"message": SAID | {"template": "mt9"}}}, {}, {("steps.a", "journey_message_missing")}),
    ({"a": {"message": SAID | {"template": "mt2"}}}, {}, {("steps.a", "purpose_differs")}),
    ({"a": {"message": SAID | {"media": ["call"]}}}, {}, {("steps.a", "medium_not_of_template")}),
    ({"a": {"message": SAID | {"vars": {"colour": "red"}}}}, {}, {("steps.a", "var_not_of_template")}),
    ({"a": {"message": SAID | {"vars": {"name": "{phone}"}}}}, {}, {("steps.a", "no_such_placeholder")}),
    ({"a": {"message": SAID | {"vars": {"name": "{nickname}, {coupon}"}}}}, {}, set()),
    ({"a": {"message": SAID | {"vars": {"order": "{entered.order_id}"}}}}, {}, {("steps.a", "no_such_placeholder")}),
    ({"a": {"message": SAID | {"vars": {"order": "{entered.order_id}"}}}}, {"entry": {"event": "order_paid"}}, set()),
    ({"a": DONE}, {"entry": {"segment": "sg9"}}, {("entry", "journey_segment_missing")}),
    ({"a": DONE}, {"entry": {"segment": "silent"}, "audience": "sg9"}, {("audience", "journey_segment_missing")}),
    ({"a": DONE}, {"exits": [{"reason": "x", "left": "sg9"}]}, {("exits[0]", "journey_segment_missing")}),
    ({"a": {"tag": "new"}}, {}, {("steps.a", "journey_tag_missing")}),
    ({"a": {"branch": [{"if": {"tag": "new"}}]}}, {}, {("steps.a", "journey_tag_missing")}),
    ({"a": {"branch": [{"if": {"segment": "sg9"}}]}}, {}, {("steps.a", "journey_segment_missing")}),
    ({"a": {"branch": [{"if": {"entered_with": {"order_id": "1"}}}]}}, {}, {("steps.a", "prop_of_entry")}),
    ({"a": DONE}, {"entry": {"event": "sneezed"}}, {("entry", "journey_event_missing")}),
    ({"a": DONE}, {"entry": {"event": "segment_entered"}}, {("entry", "journey_event_missing")}),
    ({"a": DONE}, {"entry": {"event": "share", "where": {"target": "boat"}}}, {("entry", "journey_prop_missing")}),
    ({"a": DONE}, {"entry": {"event": "share", "where": {"target": "lobby"}}}, set()),
    ({"a": DONE}, {"entry": {"event": "share", "key": "colour"}}, {("entry", "journey_prop_missing")}),
    ({"a": DONE}, {"goal": {"event": "add_to_cart"}}, {("goal", "goal_by_client")}),
    (
        {"a": DONE},
        {"exits": [{"reason": "x", "event": "coupon_used", "where": {"coupon_id": "{coupon_id}"}}]},
        {("exits[0]", "prop_of_entry")},
    ),
    ({"a": {"wait": {"before": {"prop": "valid_until"}}}}, {}, {("steps.a", "prop_of_entry")}),
    ({"a": {"wait": {"before": {"prop": "valid_until"}}}}, {"entry": {"event": "coupon_got"}}, set()),
    ({"a": {"wait": {"until": {"time": "10:00", "weekdays": []}}}}, {}, {("steps.a", "no_weekdays")}),
    (
        {"a": {"split": [{"arm": "x", "weight": 1}, {"arm": "x", "weight": 1}]}},
        {},
        {("steps.a", "arm_twice")},
    ),
    (
        {"a": {"task": {"title": "t", "outcomes": ["yes"]}, "on": {"no": "b"}}, "b": DONE},
        {},
        {("steps.a", "no_such_outcome")},
    ),
    ({"a": {"task": {"title": "t"}, "on": {"done": "b"}}, "b": DONE}, {}, set()),
    ({"a": DONE}, {"re_entry": {}}, {("re_entry", "how_again")}),
    ({"a": DONE}, {"ends_at": "2026-11-01T00:00:00Z"}, {("ends_at", "journey_ended_already")}),
    (
        {"a": DONE},
        {"starts_at": "2027-01-02T00:00:00Z", "ends_at": "2027-01-01T00:00:00Z"},
        {("ends_at", "journey_ends_first")},
    ),
    ({"a": {"grant": {"template": "slot-gift"}}}, {}, {("steps.a", "slot_open")}),
    ({"a": DONE}, {"entry": {"segment": "slot-due"}}, {("entry", "slot_open")}),
]  # fmt: skip


@pytest.mark.parametrize(("steps", "parts", "told"), CASES, ids=str)
def test_what_is_named_must_be_there(
    steps: dict[str, Any], parts: dict[str, Any], told: set[tuple[str, str]]
) -> None:  # fmt: skip
    assert reasons(steps, **parts) == told


def test_coupons_must_be_given_by_journeys_be_offered_and_suffice() -> None:
    def with_template(left: int, expected: int | None = None, **changes: Any) -> Surroundings:
        template = coupon_template("ct1", **changes)
        return mall(coupons={"ct1": Coupons(template, left)}, expected=expected)

    gift: dict[str, Any] = {"a": {"grant": {"template": "ct1"}}}
    assert reasons(gift, with_template(1)) == set()
    assert reasons(gift, with_template(0)) == {("steps.a", "journey_stock_too_small")}
    assert reasons(gift, with_template(90, 100), control_percent=10) == set()
    assert reasons(gift, with_template(89, 100), control_percent=10) == {("steps.a", "journey_stock_too_small")}
    assert reasons(gift, with_template(9, state="paused")) == {("steps.a", "journey_coupon_not_offered")}
    assert reasons(gift, with_template(9, how=["claim"])) == {("steps.a", "journey_coupon_not_by_journeys")}
    assert reasons(gift, with_template(9, how=["journey"])) == set()


def test_half_a_member_wants_a_whole_coupon() -> None:
    assert [needed_for(one, 10) for one in (None, 0, 1, 10, 11)] == [1, 1, 1, 9, 10]


@pytest.mark.parametrize("medium", ["subscribe", "oa"])
def test_what_sells_does_not_go_where_that_is_forbidden(medium: Any) -> None:
    there = mall(messages={"mt1": message_template("mt1", "marketing", [medium])})
    sells = plan({"a": {"message": {"purpose": "marketing", "template": "mt1"}}})
    with pytest.raises(MallError) as refused:
        check(sells, there)
    assert refused.value.code == "medium_off" and refused.value.status == 422
    assert [(one.field, one.params["step"].code) for one in refused.value.errors] == [("steps.a", "a")]


@pytest.mark.parametrize(
    ("entry", "may"),
    [({"event": "order_paid"}, True), ({"event": "lobby_lacks_one"}, True), ({"event": "joined"}, False),
     ({"event": "coupon_got"}, False), ({"event": "add_to_cart"}, False), ({"segment": "sg1"}, False),
     ({"api": True}, False)],
    ids=str,
)  # fmt: skip
def test_what_no_cap_counts_follows_from_an_order_or_a_lobby(entry: dict[str, Any], may: bool) -> None:
    there = mall(messages={"mt1": message_template("mt1", "transactional")}, segments=frozenset({"sg1"}))
    said = {"a": {"message": {"purpose": "transactional", "template": "mt1"}}}
    assert reasons(said, there, entry=entry) == (set() if may else {("steps.a", "journey_not_transactional")})


def test_a_message_that_no_medium_carries_now_is_refused() -> None:
    there = mall(messages={"mt1": message_template("mt1", media=["sms", "call"])}, off=frozenset({"sms"}))
    assert reasons({"a": {"message": SAID}}, there) == set()
    assert reasons({"a": {"message": SAID | {"media": ["sms"]}}}, there) == {("steps.a", "medium_switched_off")}
    assert reasons({"a": {"message": SAID}}, mall(messages=there.messages, off=frozenset({"sms", "call"}))) == {
        ("steps.a", "medium_switched_off")
    }


def test_all_that_is_wrong_is_told_at_once_in_both_languages() -> None:
    wrong = plan({"a": {"grant": {"template": "ct9"}, "next": "b"}, "b": {"tag": "new"}}, goal={"event": "share"})
    with pytest.raises(MallError) as refused:
        check(wrong, mall(now=NOW))
    fault = refused.value
    assert fault.code == "journey_invalid" and fault.status == 422
    assert [one.data()["step"] for one in fault.errors] == ["goal", "a", "b"]
    assert fault.text("zh", {}).startswith("目标：") and "步骤 a：没有优惠券模板 ct9" in fault.text("zh", {})
    assert "step a: there is no coupon template ct9" in fault.text("en", {}).lower()
