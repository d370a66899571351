"""Two logins become one member by their own act, or by two operators: both stay logged in, what was agreed by either
holds as the stricter does, and who was made one by mistake is taken out again."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import Any

import pytest

from chalicelib.customers.members import queries as member_queries
from chalicelib.customers.members.consents import service as consents
from chalicelib.customers.members.sessions.queries import CACHE
from chalicelib.customers.members.tables import GONE, MOVED, Identities, Members, identities_of, identity_id
from chalicelib.platform.store import cache, read, tools
from local.client import SHANGHAI, Client, Operator, Sandbox, Shopper
from local.notices import message
from tests.support.distribution import run_jobs
from tests.support.merging import merge_by_code
from tests.support.operators import second_token

pytestmark = pytest.mark.usefixtures("no_jobs")
DAY = 86_400


@pytest.fixture
def other(shopper: Shopper, sandbox: str) -> Shopper:
    return Shopper.arrive(shopper.send, Sandbox(sandbox))


@pytest.fixture
def second(shopper: Shopper) -> Operator:
    return Operator(shopper.send, second_token())


def whole(former: Shopper, stays: Shopper) -> None:
    assert member_queries.current(former.member_id) is None
    assert member_queries.resolved(former.member_id) == stays.member_id


def sorted_out(one: Shopper, two: Shopper) -> tuple[Shopper, Shopper]:
    """Who stays, and who became them."""
    stays = member_queries.resolved(one.member_id)
    return (one, two) if stays == one.member_id else (two, one)


def test_by_a_code_of_one_that_is_entered_in_the_other_two_logins_are_one_member(
    shopper: Shopper, other: Shopper
) -> None:
    code = shopper.post("/v1/me/merge-codes").ok(201)
    made = other.post("/v1/me/merges", {"code": code["code"]}).ok(202)
    assert made["state"] == "moving"
    assert other.post("/v1/me/merges", {"code": code["code"]}).ok(202)["merge_id"] == made["merge_id"]
    stays, former = sorted_out(shopper, other)
    whole(former, stays)
    run_jobs()
    for login in (shopper, other):
        me = login.get("/v1/me").ok()
        assert me["member_id"] == stays.member_id
        assert [one["how"] for one in me["merged"]] == ["code"]
        book = login.get("/v1/me/addresses").ok()["items"]
        assert len(book) == 2 and [one["is_default"] for one in book].count(True) == 1
        again = login.log_in()
        assert (again["member"]["member_id"], again["is_new"]) == (stays.member_id, False)
        assert login.get("/v1/me").ok()["member_id"] == stays.member_id


def test_each_session_keeps_the_openid_that_wechat_knows_it_by(shopper: Shopper, other: Shopper) -> None:
    from chalicelib.customers.members.rules import openid_of

    openids = {one.member_id: member_queries.profile(one.member_id).openid for one in (shopper, other)}
    merge_by_code(shopper, other)
    stays, _ = sorted_out(shopper, other)
    profile = member_queries.profile(stays.member_id)
    assert {subject: openid_of(profile, subject) for subject in openids} == openids
    # a phone's code is of one session, and WeChat refuses it in another
    for login in (shopper, other):
        code = login.sandbox.post("phone", {"user": login.user, "phone": "13800138111"})["code"]
        assert login.post("/v1/me/phone", {"code": code}).ok()["phone"] == "13800138111"


def test_a_token_that_is_called_in_is_void_for_either_login(shopper: Shopper, other: Shopper) -> None:
    merge_by_code(shopper, other)
    stays, former = sorted_out(shopper, other)
    former.post("/v1/auth/logout").ok(204)
    former.get("/v1/me").refused(401, "unauthenticated")
    stays.get("/v1/me").ok()
    former.log_in()
    former.get("/v1/me").ok()
    stays.post("/v1/auth/logout", {"everywhere": True}).ok(204)
    for login in (stays, former):
        login.get("/v1/me").refused(401, "unauthenticated")
        login.get("/v1/cart").refused(401, "unauthenticated")


@pytest.mark.parametrize("code", ["000000", "12345", "1234567", "abcdef"])
def test_what_is_no_code_makes_nobody_one(shopper: Shopper, code: str) -> None:
    answer = shopper.post("/v1/me/merges", {"code": code})
    assert answer.status in (400, 422)
    assert member_queries.current(shopper.member_id) is not None


def test_a_code_is_good_for_five_minutes_and_not_for_oneself(
    shopper: Shopper, other: Shopper, advance: Callable[[float], None]
) -> None:
    code = shopper.post("/v1/me/merge-codes").ok(201)["code"]
    shopper.post("/v1/me/merges", {"code": code}).refused(422, "merge_refused")
    advance(301)
    other.post("/v1/me/merges", {"code": code}).refused(422, "merge_refused")
    whole_yet = [member_queries.current(one.member_id) for one in (shopper, other)]
    assert None not in whole_yet


def test_who_guesses_may_try_five_times(shopper: Shopper) -> None:
    for _ in range(5):
        assert shopper.post("/v1/me/merges", {"code": "000000"}).status == 422
    shopper.post("/v1/me/merges", {"code": "000000"}).refused(429, "too_many_requests")


def test_the_stricter_consent_holds(shopper: Shopper, other: Shopper) -> None:
    for login, agrees in ((shopper, True), (other, False)):
        code = login.sandbox.post("phone", {"user": login.user, "phone": "13800138222"})["code"]
        login.post("/v1/me/phone", {"code": code, "consent": {"version": "1"}}).ok()
        if not agrees:
            login.delete("/v1/me/phone").ok(204)
    other.put("/v1/me/preferences", {"personalised": False}).ok()
    merge_by_code(shopper, other)
    for login in (shopper, other):
        told = login.get("/v1/me/preferences").ok()
        assert told["personalised"] is False
        assert "phone" not in login.get("/v1/me").ok()
        assert all("withdrawn_at" in one for one in told["consents"] if one["what"] == "phone")


def test_a_blocked_member_makes_no_other_theirs(shopper: Shopper, other: Shopper, operator: Operator) -> None:
    code = shopper.post("/v1/me/merge-codes").ok(201)["code"]
    operator.post(f"/v1/admin/members/{other.member_id}/block", {"reason": "刷单"}).ok()
    other.log_in()
    other.post("/v1/me/merges", {"code": code}).refused(403, "member_blocked")
    other.post("/v1/me/merge-codes").refused(403, "member_blocked")


def test_two_logins_are_made_one_by_two_operators(
    shopper: Shopper, other: Shopper, operator: Operator, second: Operator
) -> None:
    for number, login in enumerate((shopper, other)):  # of two phones one stays
        code = login.sandbox.post("phone", {"user": login.user, "phone": f"1380013833{number}"})["code"]
        login.post("/v1/me/phone", {"code": code}).ok()
    asked = {"from": shopper.member_id, "to": other.member_id, "reason": "门店核实为同一人"}
    operator.post("/v1/admin/merges", asked).refused(409, "two_logins")
    proposed = operator.post("/v1/admin/merges", asked | {"force": True}).ok(202)
    assert proposed["state"] == "proposed"
    decide = f"/v1/admin/merges/{proposed['merge_id']}/decide"
    operator.post(decide, {"decision": "merge", "reason": "再点一次"}).refused(409, "second_operator")
    assert None not in (member_queries.current(one.member_id) for one in (shopper, other))
    done = second.post(decide, {"decision": "merge", "reason": "已电话核实"}).ok()
    assert done["state"] == "moving"
    assert done["by"] != done["proposed_by"]
    second.post(decide, {"decision": "merge", "reason": "又一次"}).refused(409, "already_merged")
    assert [one["how"] for one in shopper.get("/v1/me").ok()["merged"]] == ["operator"]
    operator.post("/v1/admin/merges", asked | {"force": True}).refused(409, "already_merged")


def test_a_merge_is_done_when_nothing_is_left_and_says_of_what(
    shopper: Shopper, other: Shopper, operator: Operator, advance: Callable[[float], None]
) -> None:
    merge_id = merge_by_code(shopper, other)
    run_jobs()

    def state(name: str) -> list[dict[str, Any]]:
        return [one for one in operator.items(f"/v1/admin/merges?state={name}") if one["merge_id"] == merge_id]

    assert len(state("moving")) == 1
    stays, _ = sorted_out(shopper, other)
    stays.leave().refused(409, "account_open")
    advance(61)
    run_jobs()
    (done,) = state("done")
    assert done["wings"] and all(done["wings"].values())
    assert [one.settled for one in member_queries.profile(stays.member_id).absorbed] == [True]


def test_who_leaves_takes_all_with_them_who_were_made_one_with_them(
    shopper: Shopper, other: Shopper, advance: Callable[[float], None]
) -> None:
    merge_by_code(shopper, other)
    advance(61)
    run_jobs()
    stays, former = sorted_out(shopper, other)
    former.leave().ok(204)
    run_jobs()
    for login in (stays, former):
        login.get("/v1/me").refused(401, "unauthenticated")
        assert read.get(Members, login.member_id, GONE) is not None
        assert read.get(Members, login.member_id, MOVED) is None
    assert [one for one in tools.scan(Identities) if one.member_id == stays.member_id and one.until is None] == []
    advance(DAY)
    run_jobs()
    back = former.log_in()
    assert back["is_new"] is False and member_queries.profile(former.member_id).returned


def test_who_was_made_one_by_mistake_is_taken_out_again(
    shopper: Shopper, other: Shopper, operator: Operator, advance: Callable[[float], None]
) -> None:
    merge_by_code(shopper, other)
    stays, former = sorted_out(shopper, other)
    profile = member_queries.profile(stays.member_id)
    own = identities_of(profile)[0]
    theirs = next(one.key for one in profile.identities if one.kind == "mini")
    detach = f"/v1/admin/members/{stays.member_id}/detach"
    operator.post(detach, {"identity": identity_id(theirs), "reason": "两个人"}).refused(422, "merge_refused")
    advance(61)
    run_jobs()
    operator.post(detach, {"identity": identity_id(own), "reason": "两个人"}).refused(422, "merge_refused")
    operator.post(detach, {"identity": "nobody", "reason": "两个人"}).refused(404, "not_found")
    new = operator.post(detach, {"identity": identity_id(theirs), "reason": "两个人"}).ok(201)["member_id"]
    assert former.get("/v1/me").ok()["member_id"] == new
    assert former.get("/v1/me/addresses").ok()["items"] == []
    assert stays.get("/v1/me").ok()["member_id"] == stays.member_id
    assert former.log_in()["member"]["member_id"] == new
    assert stays.log_in()["member"]["member_id"] == stays.member_id
    former.post("/v1/me/addresses", SHANGHAI).ok(201)
    advance(DAY)
    run_jobs()
    assert len(stays.get("/v1/me/addresses").ok()["items"]) == 2
    assert len(former.get("/v1/me/addresses").ok()["items"]) == 1


def test_what_was_theirs_until_they_were_taken_out_stays_with_the_other(
    shopper: Shopper, other: Shopper, operator: Operator, advance: Callable[[float], None]
) -> None:
    sku = operator.product(price_fen=2_000)["skus"][0]["sku_id"]
    key, body, placed = secrets.token_hex(8), {}, {}
    for login in (shopper, other):
        body[login.user] = login.order_body([(sku, 1)])
        placed[login.user] = login.post("/v1/orders", body[login.user], key=key).ok(201)["order_id"]
    merge_by_code(shopper, other)
    advance(61)
    run_jobs()
    stays, former = sorted_out(shopper, other)
    theirs = next(one for one in member_queries.profile(stays.member_id).identities if one.kind == "mini")
    asked = {"identity": identity_id(theirs.key), "reason": "两个人"}
    new = operator.post(f"/v1/admin/members/{stays.member_id}/detach", asked).ok(201)["member_id"]
    assert stays.get("/v1/me").ok().get("merged", []) == []
    # Their token is the new member's, what they had is the other's: also of those whom an old key or a job names.
    former.get(f"/v1/orders/{placed[former.user]}").refused(404, "not_found")
    former.post("/v1/orders", body[former.user], key=key).refused(422, "idempotency_key_reused")
    assert stays.order(placed[former.user])["order_id"] == placed[former.user]
    assert member_queries.resolved(former.member_id) == stays.member_id
    cache.forget(CACHE)  # as any other process
    assert former.get("/v1/me").ok()["member_id"] == new
    advance(DAY)
    run_jobs()
    assert {one["order_id"] for one in stays.items("/v1/orders")} == set(placed.values())
    assert former.items("/v1/orders") == []


def test_a_month_later_nobody_is_taken_out(
    shopper: Shopper, other: Shopper, operator: Operator, advance: Callable[[float], None]
) -> None:
    merge_by_code(shopper, other)
    advance(61)
    run_jobs()
    advance(30 * DAY)
    stays, _ = sorted_out(shopper, other)
    theirs = next(one.key for one in member_queries.profile(stays.member_id).identities if one.kind == "mini")
    asked = {"identity": identity_id(theirs), "reason": "两个人"}
    operator.post(f"/v1/admin/members/{stays.member_id}/detach", asked).refused(422, "merge_refused")


def test_who_closes_one_of_two_accounts_at_wechat_keeps_the_other(shopper: Shopper, other: Shopper) -> None:
    merge_by_code(shopper, other)
    stays, former = sorted_out(shopper, other)
    closing = member_queries.profile(stays.member_id).openid
    answer = stays.send(*message(closing, "user_authorization_cancellation"))
    assert answer.status == 200
    run_jobs()
    profile = member_queries.profile(stays.member_id)
    assert profile.openid != closing and profile.closed_at_wechat is None
    former.get("/v1/me").refused(401, "unauthenticated")
    assert former.log_in()["member"]["member_id"] == stays.member_id
    assert consents.member_of(closing) is None


def test_at_most_eight_are_merged_into_one(shopper: Shopper, sandbox: str, advance: Callable[[float], None]) -> None:
    for number in range(9):
        more = Shopper.arrive(shopper.send, Sandbox(sandbox))
        advance(301)
        code = more.post("/v1/me/merge-codes").ok(201)["code"]
        answer = shopper.post("/v1/me/merges", {"code": code})
        assert answer.status == (202 if number < 8 else 422), number


def test_nobody_who_is_not_logged_in_makes_anybody_one(shopper: Shopper) -> None:
    Client(shopper.send).post("/v1/me/merge-codes").refused(401, "unauthenticated")
    Client(shopper.send).post("/v1/me/merges", {"code": "123456"}).refused(401, "unauthenticated")


def test_who_becomes_one_with_a_blocked_member_holds_nothing_any_more(
    shopper: Shopper, other: Shopper, operator: Operator, second: Operator
) -> None:
    sku = operator.product()["skus"][0]["sku_id"]
    orders = {one.member_id: one.place([(sku, 1)])["order_id"] for one in (shopper, other)}
    asked = {"from": shopper.member_id, "to": other.member_id, "reason": "同一人", "force": True}
    merge_id = operator.post("/v1/admin/merges", asked).ok(202)["merge_id"]
    operator.post(f"/v1/admin/members/{other.member_id}/block", {"reason": "刷单"}).ok()
    second.post(f"/v1/admin/merges/{merge_id}/decide", {"decision": "merge", "reason": "同一人"}).ok()
    run_jobs()
    told = [operator.get(f"/v1/admin/orders/{order_id}").ok()["state"] for order_id in orders.values()]
    assert told == ["closed", "closed"]
    shopper.log_in()
    shopper.post("/v1/me/merge-codes").refused(403, "member_blocked")
