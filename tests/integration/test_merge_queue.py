"""The operators' queue of members who may be one person: each entry is decided, whatever has become of its members."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import msgspec
import pytest

from chalicelib.core import clock
from chalicelib.customers.members import queries as member_queries
from chalicelib.customers.members.followers import service as followers
from chalicelib.customers.members.identities import service as identities
from chalicelib.customers.members.merging import service as merging
from chalicelib.customers.members.tables import oa_identity
from chalicelib.mall.operators.audit import queries as audit
from local.client import Operator, Sandbox, Shopper
from tests.support.distribution import quick_member, run_jobs
from tests.support.merging import merge_by_code, sorted_out
from tests.support.operators import SECOND, second_token

pytestmark = pytest.mark.usefixtures("no_jobs")
YES = {"decision": "merge", "reason": "门店核实为同一人"}
NO = {"decision": "reject", "reason": "一家人共用手机"}
Newcomer = Callable[[], Shopper]


@pytest.fixture
def newcomer(operator: Operator, sandbox: str) -> Newcomer:
    return lambda: quick_member(operator.send, Sandbox(sandbox))


@pytest.fixture
def second(operator: Operator) -> Operator:
    return Operator(operator.send, second_token())


def follower(who: Shopper) -> str:
    """Somebody else, who follows the official account and never logged in; their id."""
    openid: str = who.sandbox.post("oa/follow", {"user": f"user-{secrets.token_hex(6)}"})["openid"]
    followers.hear(openid, clock.now(), follows=True)
    run_jobs()
    return identities.owner_of(oa_identity(openid)) or ""


def of(operator: Operator, *who: Shopper) -> list[dict[str, Any]]:
    """What is in the queue of these."""
    ids = {one.member_id for one in who}
    every = [one for state in ("candidate", "proposed") for one in operator.items(f"/v1/admin/merges?state={state}")]
    return [one for one in every if ids & {one["from"], one["to"]}]


def decide(operator: Operator, merge: dict[str, Any], decision: dict[str, Any]) -> Any:
    return operator.post(f"/v1/admin/merges/{merge['merge_id']}/decide", decision)


def test_two_who_became_one_otherwise_are_no_question_any_more(operator: Operator, newcomer: Newcomer) -> None:
    first, one, two = newcomer(), newcomer(), newcomer()
    merging.suggest(one.member_id, two.member_id, "phone")
    merge_by_code(first, one)
    merge_by_code(first, two)
    assert member_queries.resolved(one.member_id) == member_queries.resolved(two.member_id)
    (asked,) = of(operator, one, two)
    told = decide(operator, asked, YES).ok()
    assert (told["state"], told["reason"]) == ("done", YES["reason"]) and told["ended_at"]
    assert of(operator, one, two) == []
    decide(operator, asked, NO).refused(409, "already_merged")


def test_one_of_two_who_became_another_is_asked_about_as_that_one(operator: Operator, newcomer: Newcomer) -> None:
    one, third = newcomer(), newcomer()
    merge_by_code(one, third)
    stays, former = sorted_out(one, third)
    asked = {"from": former.member_id, "to": follower(one), "reason": "核实"}
    told = operator.post("/v1/admin/merges", asked).ok(202)
    assert (told["state"], told["from"], told["to"]) == ("moving", asked["to"], stays.member_id)
    assert of(operator, one, third) == []


def test_who_is_proposed_under_a_former_id_leaves_nothing_in_the_queue(
    operator: Operator, second: Operator, newcomer: Newcomer
) -> None:
    one, third, other = newcomer(), newcomer(), newcomer()
    merge_by_code(one, third)
    stays, former = sorted_out(one, third)
    asked = {"from": former.member_id, "to": other.member_id, "reason": "核实", "force": True}
    proposed = operator.post("/v1/admin/merges", asked).ok(202)
    assert {proposed["from"], proposed["to"]} == {stays.member_id, other.member_id}
    again = operator.post("/v1/admin/merges", asked | {"from": stays.member_id})
    again.refused(409, "second_operator")
    assert decide(second, proposed, YES).ok()["state"] == "moving"
    assert of(operator, one, third, other) == []


def test_a_question_about_who_has_left_goes_with_them(operator: Operator, shopper: Shopper, newcomer: Newcomer) -> None:
    other = newcomer()
    merging.suggest(shopper.member_id, other.member_id, "phone")
    (asked,) = of(operator, other)
    shopper.leave().ok(204)
    decide(operator, asked, YES).refused(409, "merge_conflict")
    run_jobs()
    assert of(operator, other) == []


def test_why_an_operator_decides_is_kept(operator: Operator, second: Operator, newcomer: Newcomer) -> None:
    one, two = newcomer(), newcomer()
    merging.suggest(one.member_id, two.member_id, "phone")
    (asked,) = of(operator, one)
    assert decide(operator, asked, NO).ok()["reason"] == NO["reason"]
    merge_by_code(one, two)
    (moving,) = [m for m in operator.items("/v1/admin/merges?state=moving") if m["merge_id"] == asked["merge_id"]]
    assert (moving["evidence"], moving["reason"], moving["by"], moving["proposed_by"]) == ("code", None, None, None)
    third = newcomer()
    merging.suggest(third.member_id, follower(third), "phone")
    (asked,) = of(operator, third)
    done = decide(operator, asked, YES).ok()
    assert (done["state"], done["evidence"], done["reason"]) == ("moving", "operator", YES["reason"])


@pytest.mark.parametrize("other_says", [YES, NO])
def test_two_operators_who_decide_at_once(
    operator: Operator, second: Operator, newcomer: Newcomer, other_says: dict[str, Any]
) -> None:
    one, two = newcomer(), newcomer()
    merging.suggest(one.member_id, two.member_id, "phone")
    (asked,) = of(operator, one)
    says = [(operator, YES | {"force": True}), (second, other_says | {"force": True})]
    with ThreadPoolExecutor(2) as together:
        answers = list(together.map(lambda each: decide(each[0], asked, each[1]), says))
    assert {answer.status for answer in answers} <= {200, 409}
    merged = member_queries.resolved(one.member_id) == member_queries.resolved(two.member_id)
    assert merged == (other_says is YES)


def test_the_log_names_whom_an_operator_holds_for_one_and_not_why(
    second: Operator, newcomer: Newcomer, later: Callable[[float], None]
) -> None:
    one, two = newcomer(), newcomer()
    asked = {"from": one.member_id, "to": two.member_id, "reason": "母亲与女儿", "force": True}
    merge = second.post("/v1/admin/merges", asked).ok(202)
    later(1)
    decide(second, merge, NO).ok()
    later(1)
    second.get("/v1/admin/merges?state=rejected").ok()
    entries, _ = audit.page(clock.day(clock.now()), SECOND, 10, None)
    told = [msgspec.json.decode(one.outcome) for one in entries]
    of_it = {"merge_id": merge["merge_id"], "former": merge["from"], "survivor": merge["to"]}
    assert told[1:] == [of_it | {"state": "rejected"}, of_it | {"state": "proposed"}] and told[0]["shown"] >= 1
    assert asked["reason"] not in str(entries) and NO["reason"] not in str(entries)


def test_whatever_operators_write_of_two_is_in_what_they_export(
    operator: Operator, newcomer: Newcomer, advance: Callable[[float], None]
) -> None:
    one, two, third = newcomer(), newcomer(), newcomer()
    merging.suggest(two.member_id, third.member_id, "phone")
    (asked,) = of(operator, third)
    decide(operator, asked, NO).ok()
    merge_by_code(one, two)
    stays, former = sorted_out(one, two)
    assert former is two
    advance(61)
    run_jobs()
    exported = stays.get("/v1/me/export").ok()["sections"]["merges"]
    assert sorted(one["state"] for one in exported) == ["done", "rejected"]
    assert NO["reason"] in [one.get("reason") for one in exported]
    told = operator.get(f"/v1/admin/members/{stays.member_id}?purpose=service").ok()
    login = next(each["identity"] for each in told["identities"][1:] if each["kind"] == "mini")
    asked = {"identity": login, "reason": "其实是婆婆的微信"}
    operator.post(f"/v1/admin/members/{stays.member_id}/detach", asked).ok(201)
    exported = stays.get("/v1/me/export").ok()["sections"]["merges"]
    assert [one.get("detached_because") for one in exported] == [asked["reason"]]
