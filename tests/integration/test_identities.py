"""One person has one member, by whatever WeChat knows them: who follows the official account and who logs in to the
mini-program are one as soon as WeChat says so, and never by anything less."""

from __future__ import annotations

import secrets
from typing import Any

import pytest

from chalicelib.customers.members import queries as member_queries
from chalicelib.customers.members.identities import service as identities
from chalicelib.customers.members.tables import Identities, phone_identity, union_identity
from chalicelib.platform.store import tools
from local.client import Client, Operator, Sandbox, Shopper
from tests.support.distribution import run_jobs
from tests.support.followers import follows

pytestmark = pytest.mark.usefixtures("no_jobs")


def name() -> str:
    return f"user-{secrets.token_hex(6)}"


def logs_in(shopper: Shopper, user: str, **more: Any) -> dict[str, Any]:
    code = shopper.sandbox.post("login", {"user": user, **more})["code"]
    told: dict[str, Any] = Client(shopper.send).post("/v1/auth/login", {"code": code}).ok()
    return told


def gives_phone(shopper: Shopper, phone: str) -> Any:
    code = shopper.sandbox.post("phone", {"user": shopper.user, "phone": phone})["code"]
    return shopper.post("/v1/me/phone", {"code": code}).ok()


def test_a_follower_who_logs_in_is_the_member_that_they_were(shopper: Shopper) -> None:
    user = name()
    follower = follows(shopper, user, scene="poster7")
    before = member_queries.profile(follower)
    assert (before.openid, before.follows_oa, before.first_source and before.first_source.channel) == (
        "", True, "poster7",
    )  # fmt: skip
    told = logs_in(shopper, user)
    assert (told["member"]["member_id"], told["is_new"]) == (follower, True)
    again = logs_in(shopper, user)
    assert (again["member"]["member_id"], again["is_new"]) == (follower, False)
    after = member_queries.profile(follower)
    assert after.openid and after.follows_oa and not after.absorbed
    assert after.first_source == before.first_source


def test_a_shopper_who_follows_stays_who_they_are(shopper: Shopper) -> None:
    assert follows(shopper, shopper.user) == shopper.member_id
    assert member_queries.profile(shopper.member_id).follows_oa
    assert follows(shopper, shopper.user, "unfollow") == shopper.member_id
    assert not member_queries.profile(shopper.member_id).follows_oa


def test_what_wechat_tells_late_changes_nothing_that_came_after(shopper: Shopper) -> None:
    follows(shopper, shopper.user, ago=60)
    follows(shopper, shopper.user, "unfollow")
    follows(shopper, shopper.user, ago=30)
    assert not member_queries.profile(shopper.member_id).follows_oa


def test_a_follower_and_a_shopper_become_one_as_soon_as_the_unionid_appears(shopper: Shopper) -> None:
    user = name()
    follower = follows(shopper, user)
    first = logs_in(shopper, user, unionid=None)
    member_id = first["member"]["member_id"]
    assert member_id != follower
    told = logs_in(shopper, user)
    assert told["member"]["member_id"] == member_id
    assert [one["how"] for one in told["member"]["merged"]] == ["unionid"]
    assert member_queries.current(follower) is None
    assert member_queries.resolved(follower) == member_id
    profile = member_queries.profile(member_id)
    assert profile.follows_oa and len(profile.identities) == 2
    owned = {item.identity for item in tools.scan(Identities) if item.member_id in (member_id, follower)}
    assert owned == {*(one.key for one in profile.identities), *(key for key in owned if key.startswith("mini:"))}
    run_jobs()
    assert all(one.settled is False for one in profile.absorbed)


def test_a_follower_whose_unionid_appears_as_they_follow_again_is_the_shopper(shopper: Shopper) -> None:
    user = name()
    follower = follows(shopper, user, unionid=None)
    member_id = logs_in(shopper, user)["member"]["member_id"]
    assert follower != member_id
    assert follows(shopper, user) == member_id
    assert member_queries.resolved(follower) == member_id


def test_two_logins_with_one_unionid_are_looked_at_and_never_made_one(shopper: Shopper, operator: Operator) -> None:
    unionid = f"u-{secrets.token_hex(6)}"
    first = logs_in(shopper, name(), unionid=unionid)["member"]["member_id"]
    second = logs_in(shopper, name(), unionid=unionid)["member"]["member_id"]
    assert first != second
    assert identities.owner_of(union_identity(unionid)) == first
    assert {(one["from"], one["to"], one["evidence"]) for one in waiting(operator, first)} in (
        {(first, second, "unionid")}, {(second, first, "unionid")},
    )  # fmt: skip


def waiting(operator: Operator, member_id: str) -> list[dict[str, Any]]:
    return [one for one in operator.items("/v1/admin/merges?state=candidate") if member_id in (one["from"], one["to"])]


def test_one_phone_of_two_logins_is_a_question_for_an_operator(
    operator: Operator, sandbox: str, shopper: Shopper
) -> None:
    other = Shopper.arrive(shopper.send, Sandbox(sandbox))
    phone = f"139{secrets.randbelow(10**8):08d}"
    gives_phone(shopper, phone)
    assert waiting(operator, shopper.member_id) == []
    gives_phone(other, phone)
    gives_phone(other, phone)
    (asked,) = waiting(operator, shopper.member_id)
    assert (asked["evidence"], asked["state"]) == ("phone", "candidate")
    decide = f"/v1/admin/merges/{asked['merge_id']}/decide"
    rejected = operator.post(decide, {"decision": "reject", "reason": "一家人共用手机"}).ok()
    assert rejected["state"] == "rejected"
    gives_phone(other, phone)
    assert waiting(operator, shopper.member_id) == []


def test_a_phone_number_that_is_taken_back_is_nobody_s(shopper: Shopper) -> None:
    phone = f"139{secrets.randbelow(10**8):08d}"
    gives_phone(shopper, phone)
    assert identities.owner_of(phone_identity(phone)) == shopper.member_id
    shopper.delete("/v1/me/phone").ok(204)
    assert identities.owner_of(phone_identity(phone)) is None
    another = f"139{secrets.randbelow(10**8):08d}"
    gives_phone(shopper, phone)
    gives_phone(shopper, another)
    assert identities.owner_of(phone_identity(phone)) is None


def test_who_leaves_is_known_by_none_of_their_ids(shopper: Shopper) -> None:
    user = name()
    follower = follows(shopper, user)
    leaving = Shopper(shopper.send, shopper.sandbox, user)
    leaving.log_in()
    assert leaving.member_id == follower
    assert any(item.member_id == follower for item in tools.scan(Identities))
    leaving.leave().ok(204)
    kept = [item.identity for item in tools.scan(Identities) if item.member_id == follower]
    assert len(kept) == 2 and all(key.startswith("left:") for key in kept)
    back = follows(shopper, user)
    assert back not in ("", follower) and member_queries.profile(back).returned
    assert logs_in(shopper, user)["is_new"] is False


@pytest.mark.parametrize("by_itself", [False, True])
def test_one_phone_of_a_follower_and_a_shopper_is_one_person_where_the_merchant_says_so(
    operator: Operator, shopper: Shopper, by_itself: bool
) -> None:
    phone = f"139{secrets.randbelow(10**8):08d}"
    follower = follows(shopper, name())
    identities.attach(follower, phone_identity(phone), "wecom", lambda member: member)
    operator.put("/v1/admin/settings/merge", {"merge_on_phone": by_itself}).ok()
    try:
        told = gives_phone(shopper, phone)
    finally:
        operator.put("/v1/admin/settings/merge", {}).ok()
    assert (told["member_id"], told["phone"]) == (shopper.member_id, phone)
    assert (member_queries.resolved(follower) == shopper.member_id) is by_itself
    assert [one["evidence"] for one in waiting(operator, follower)] == ([] if by_itself else ["phone"])
    assert identities.owner_of(phone_identity(phone)) == (shopper.member_id if by_itself else follower)
    shopper.delete("/v1/me/phone").ok(204)
    assert identities.owner_of(phone_identity(phone)) == (None if by_itself else follower)
