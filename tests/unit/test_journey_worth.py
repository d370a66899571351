"""What clients tell leads to what costs once, or when time has passed, and not as often as they like."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from chalicelib.growth.journeys.language.rules import Definition, plan_of
from chalicelib.growth.journeys.playbook.rules import BUILT_IN
from chalicelib.growth.journeys.publishing.rules import check, faults
from chalicelib.growth.journeys.surroundings.rules import Coupons
from tests.support.journeys import coupon_template, mall, mall_for, message_template, plan

THERE = mall(
    messages={"mt1": message_template("mt1"), "mt2": message_template("mt2", "transactional")},
    coupons={"ct1": Coupons(coupon_template("ct1"), 100)},
    segments=frozenset({"sg1", "sg2"}), told=frozenset({"sg1"}),
)  # fmt: skip
GIFT: dict[str, Any] = {"grant": {"template": "ct1"}}
CALL: dict[str, Any] = {"task": {"title": "电话"}}
TELL: dict[str, Any] = {"message": {"purpose": "transactional", "template": "mt2"}}
WORD: dict[str, Any] = {"message": {"purpose": "service", "template": "mt1"}}
BY_KEY = {"event": "product_view", "key": "product_id"}
BY_ORDER = {"event": "order_paid", "key": "order_id"}
ONCE = {"event": "product_view"}


def wait_for(event: str, then: str, on_timeout: str | None = None) -> dict[str, Any]:
    return {"wait_for": {"event": event, "timeout": {"days": 1}, "then": then, "on_timeout": on_timeout}}


def costly(steps: dict[str, Any], **parts: Any) -> set[str]:
    """The steps that are refused for it; nothing else is wrong, but that what no cap counts wants an order."""
    by_word, beside = "journey_by_clients_word", "journey_not_transactional"
    found = faults(plan(steps, **parts), THERE)
    assert {one.reason.code for one in found} <= {by_word, beside}
    return {one.params["step"].code for one in found if one.reason.code == by_word}


@pytest.mark.parametrize("step", [GIFT, CALL, TELL], ids=["grant", "task", "transactional"])
def test_a_key_that_a_client_makes_up_leads_to_nothing_that_costs(step: dict[str, Any]) -> None:
    rested = {"rest": {"wait": {"days": 3}, "next": "a"}, "a": step}
    assert costly({"a": step}, entry=BY_KEY) == costly(rested, entry=BY_KEY) == {"a"}
    assert (
        costly({"a": step}, entry=ONCE)
        == costly({"a": step}, entry={"event": "order_paid", "key": "order_id"})
        == set()
    )
    assert costly({"a": WORD}, entry=BY_KEY) == set()


def test_who_comes_in_again_at_once_by_their_word_gets_nothing_that_costs() -> None:
    for entry, refused in (
        (ONCE, {"a"}),
        ({"segment": "sg1"}, {"a"}),
        ({"segment": "sg2"}, set()),
        ({"api": True}, set()),
    ):
        assert costly({"a": GIFT}, entry=entry, re_entry={"max": 9}) == refused
        assert costly({"a": GIFT}, entry=entry, re_entry={"max": 9, "after_days": 30}) == set()


def test_what_is_paid_for_is_no_word_any_more() -> None:
    paid = {"w": wait_for("order_paid", "a", "b"), "a": GIFT, "b": CALL}
    assert costly(paid, entry=BY_KEY) == {"b"}
    assert costly({**paid, "w": wait_for("order_placed", "a", "b")}, entry=BY_KEY) == {"a", "b"}


def test_round_and_round_by_what_a_client_tells_costs_nothing() -> None:
    ring = {"w": wait_for("cart_view", "a", "out"), "a": {**GIFT, "next": "w"}, "out": {"exit": {"reason": "out"}}}
    assert costly(ring) == {"a"}
    assert costly({**ring, "w": wait_for("order_paid", "a", "out")}) == set()
    slow = {**ring, "a": {**GIFT, "next": "rest"}, "rest": {"wait": {"days": 30}, "next": "w"}}
    assert costly(slow) == set()
    once = {"w": wait_for("form_submit", "a"), "a": CALL}
    assert costly(once, entry={"event": "order_received", "key": "order_id"}) == set()


def test_another_journey_is_no_way_round_it() -> None:
    steps = {"a": {"enter": {"journey": "jn2"}}}
    for again, refused in (({"max": 9}, {"a"}), ({"after_days": 30}, set()), ("never", set())):
        there = msgspec.structs.replace(THERE, journeys={"jn2": plan({"give": GIFT}, "jn2", re_entry=again)})
        assert {one.params["step"].code for one in faults(plan(steps, entry=BY_KEY), there)} == refused


def test_a_coupon_is_not_what_the_next_one_is_given_for() -> None:
    """One coupon would be given for each that is got, and so until the person has what they get at most."""
    got = {"event": "coupon_got", "key": "coupon_id"}
    assert costly({"a": GIFT}, entry=got) == {"a"}
    assert costly({"a": GIFT}, entry={**got, "where": {"template_id": "ct1"}}) == {"a"}
    assert costly({"a": GIFT}, entry={**got, "where": {"template_id": "ct2"}}) == set()
    ring = {"w": wait_for("coupon_got", "a", "out"), "a": {**GIFT, "next": "w"}, "out": {"exit": {"reason": "out"}}}
    assert costly(ring) == {"a"}


@pytest.mark.parametrize("key", BUILT_IN)
def test_what_comes_with_the_mall_is_fine(key: str) -> None:
    parts, there = mall_for(BUILT_IN[key])
    definition = msgspec.convert(parts, Definition)
    check(plan_of("jn1", 1, definition), msgspec.structs.replace(there, told=there.segments))
