"""Nobody becomes one with a member who does not want that: by guessing, by a token that was called in, or by what was
taken out of a member again."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from chalicelib.core import clock
from chalicelib.customers.members import queries as member_queries
from chalicelib.customers.members.followers import service as followers
from chalicelib.customers.members.identities import service as identities
from chalicelib.customers.members.merge_codes import service as codes
from chalicelib.customers.members.rules import openid_of
from chalicelib.customers.members.tables import GONE, Members, identity_id, oa_identity
from chalicelib.platform.store import tools
from local.client import SHANGHAI, Operator, Sandbox, Shopper
from tests.support.distribution import quick_member, run_jobs
from tests.support.merging import merge_by_code, sorted_out

pytestmark = pytest.mark.usefixtures("no_jobs")
WINDOW = 300


@pytest.fixture
def other(shopper: Shopper, sandbox: str) -> Shopper:
    return Shopper.arrive(shopper.send, Sandbox(sandbox))


@pytest.fixture
def fresh_window(shopper: Shopper, advance: Callable[[float], None]) -> None:
    """The time in which tries are counted has just begun, and nobody has tried in the one before."""
    advance(2 * WINDOW - clock.unix() % WINDOW)


def wrong() -> dict[str, str]:
    """A code that nobody was given."""
    while True:
        digits = f"{secrets.randbelow(10**6):06d}"
        if codes.read.get(codes.Merges, codes.code_key(digits)) is None:
            return {"code": digits}


def known_by(member_id: str, kind: str) -> list[str]:
    return [one.key for one in member_queries.profile(member_id).identities if one.kind == kind]


def follow(who: Shopper) -> str:
    """They follow the official account; which member that is."""
    openid: str = who.sandbox.post("oa/follow", {"user": who.user})["openid"]
    followers.hear(openid, clock.now(), follows=True)
    run_jobs()
    return identities.owner_of(oa_identity(openid)) or ""


def taken_out(operator: Operator, stays: Shopper) -> str:
    """The login that was merged into the member is taken out again; whose it is then."""
    theirs = next(one.key for one in member_queries.profile(stays.member_id).identities if one.kind == "mini")
    asked = {"identity": identity_id(theirs), "reason": "两个人"}
    new: str = operator.post(f"/v1/admin/members/{stays.member_id}/detach", asked).ok(201)["member_id"]
    return new


def code_of(who: Shopper) -> str:
    digits: str = who.post("/v1/me/merge-codes").ok(201)["code"]
    return digits


@pytest.mark.parametrize("how", ["one device", "everywhere", "by an operator", "blocked"])
def test_a_code_ends_with_the_token_that_asked_for_it(
    shopper: Shopper, other: Shopper, operator: Operator, how: str
) -> None:
    thief = Shopper(shopper.send, shopper.sandbox, shopper.user)
    thief.token, thief.member_id = shopper.token, shopper.member_id
    code = code_of(thief)
    if how == "by an operator":
        operator.post(f"/v1/admin/members/{shopper.member_id}/log-out").ok(204)
    elif how == "blocked":
        operator.post(f"/v1/admin/members/{shopper.member_id}/block", {"reason": "刷单"}).ok()
    else:
        shopper.post("/v1/auth/logout", {"everywhere": how == "everywhere"}).ok(204)
    other.post("/v1/me/merges", {"code": code}).refused(422, "merge_refused")
    assert member_queries.current(shopper.member_id) is not None


@pytest.mark.usefixtures("fresh_window")
def test_five_tries_are_five_whenever_they_begin(shopper: Shopper, advance: Callable[[float], None]) -> None:
    advance(WINDOW - 10)
    for _ in range(5):
        shopper.post("/v1/me/merges", wrong()).refused(422, "merge_refused")
    advance(20)
    shopper.post("/v1/me/merges", wrong()).refused(429, "too_many_requests")
    advance(2 * WINDOW)
    shopper.post("/v1/me/merges", wrong()).refused(422, "merge_refused")


@pytest.mark.usefixtures("fresh_window")
def test_many_who_guess_at_once_are_held_to_what_all_may(shopper: Shopper, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(codes, "_TRIES_OF_ALL", 6)
    looked = list[str]()
    usual = codes.read.get
    all_there = threading.Barrier(24, timeout=60)  # each looks, or was refused, before the first has its answer

    def looks(table: object, key: str, *more: str, **options: bool) -> object:
        if table is codes.Merges and key.startswith("code#"):
            looked.append(key)
            all_there.wait()
        return usual(table, key, *more, **options)  # type: ignore[arg-type]

    guesses = [wrong()["code"] for _ in range(24)]
    monkeypatch.setattr(codes.read, "get", looks)
    monkeypatch.setattr(codes, "check_admitted", lambda _: None)
    monkeypatch.setattr(codes.member_queries, "profile", lambda _: None)

    def guess(number: int) -> None:
        with pytest.raises(codes.MallError) as refusal:
            codes.redeem(f"{shopper.member_id}-{number // 5}", guesses[number])
        if refusal.value.code != "merge_refused":  # it did not come to look
            all_there.wait()

    with ThreadPoolExecutor(24) as together:
        list(together.map(guess, range(24)))
    assert len(looked) <= 6


def test_a_code_that_two_enter_at_once_is_good_for_one(shopper: Shopper, sandbox: str) -> None:
    code = code_of(shopper)
    two = [quick_member(shopper.send, Sandbox(sandbox)) for _ in range(2)]
    with ThreadPoolExecutor(2) as together:
        answers = list(together.map(lambda who: who.post("/v1/me/merges", {"code": code}), two))
    assert sorted(answer.status for answer in answers) in ([202, 422], [202, 409])
    whole = member_queries.profile(member_queries.resolved(shopper.member_id))
    assert len(whole.absorbed) == 1


def test_tokens_that_were_called_in_stay_void_when_a_login_is_taken_out_again(
    shopper: Shopper, other: Shopper, operator: Operator, advance: Callable[[float], None]
) -> None:
    merge_by_code(shopper, other)
    stays, former = sorted_out(shopper, other)
    lost = former.token
    former.log_in()
    kept, former.token = former.token, lost
    former.post("/v1/auth/logout").ok(204)
    advance(61)
    run_jobs()
    taken_out(operator, stays)
    former.get("/v1/me").refused(401, "unauthenticated")
    former.get("/v1/cart").refused(401, "unauthenticated")
    former.token = kept
    former.get("/v1/me").ok()


def test_an_address_that_had_no_room_goes_with_who_is_taken_out_again(
    shopper: Shopper, other: Shopper, operator: Operator, advance: Callable[[float], None]
) -> None:
    streets = dict.fromkeys((shopper.member_id, other.member_id), "")
    for who in (shopper, other):
        while len(who.get("/v1/me/addresses").ok()["items"]) < 15:
            streets[who.member_id] = f"某路 {secrets.randbelow(10**9)} 号"
            who.post("/v1/me/addresses", SHANGHAI | {"detail": streets[who.member_id]}).ok(201)
    merge_by_code(shopper, other)
    stays, former = sorted_out(shopper, other)
    advance(61)
    run_jobs()
    stays.delete(f"/v1/me/addresses/{stays.get('/v1/me/addresses').ok()['items'][0]['address_id']}").ok(204)
    taken_out(operator, stays)
    advance(86_400)
    run_jobs()
    theirs = former.get("/v1/me/addresses").ok()["items"]
    assert len(theirs) == 10 and [one["is_default"] for one in theirs].count(True) == 1
    assert theirs[-1]["detail"] == streets[former.member_id]
    assert streets[former.member_id] not in str(stays.get("/v1/me/export").ok())
    former.leave().ok(204)
    run_jobs()
    assert streets[former.member_id] not in str([item.serialize() for item in tools.scan(Members)])


def test_who_is_taken_out_again_takes_the_whole_wechat_account_with_them(
    shopper: Shopper, other: Shopper, operator: Operator, advance: Callable[[float], None]
) -> None:
    keys = {one.member_id: known_by(one.member_id, "union") for one in (shopper, other)}
    follow(other)
    keys[other.member_id] += known_by(other.member_id, "oa")
    merge_by_code(shopper, other)
    stays, former = sorted_out(shopper, other)
    advance(61)
    run_jobs()
    new = taken_out(operator, stays)
    assert {identities.owner_of(key) for key in keys[former.member_id]} == {new}
    assert {identities.owner_of(key) for key in keys[stays.member_id]} == {stays.member_id}
    for who in (former, stays):
        who.log_in()
        follow(who)
    assert all(known_by(one, kind) for one in (new, stays.member_id) for kind in ("union", "oa"))
    waiting = operator.items("/v1/admin/merges?state=candidate")
    assert [one for one in waiting if new in (one["from"], one["to"])] == []


def test_what_no_merge_has_brought_is_not_taken_out(
    shopper: Shopper, operator: Operator, advance: Callable[[float], None]
) -> None:
    (own,) = known_by(shopper.member_id, "union")
    stranger = Shopper(shopper.send, shopper.sandbox, f"user-{secrets.token_hex(6)}")
    follower = follow(stranger)
    asked = {"from": follower, "to": shopper.member_id, "reason": "核实"}
    operator.post("/v1/admin/merges", asked).ok(202)
    theirs = [key for kind in ("union", "oa") for key in known_by(shopper.member_id, kind) if key != own]
    assert len(theirs) == 2
    advance(61)
    run_jobs()
    detach = f"/v1/admin/members/{shopper.member_id}/detach"
    operator.post(detach, {"identity": identity_id(own), "reason": "两个人"}).refused(422, "merge_refused")
    oa = next(key for key in theirs if key.startswith("oa:"))
    new = operator.post(detach, {"identity": identity_id(oa), "reason": "两个人"}).ok(201)["member_id"]
    assert {identities.owner_of(key) for key in theirs} == {new}
    assert identities.owner_of(own) == shopper.member_id
    assert follow(stranger) == new


def test_the_tokens_of_who_was_taken_out_lead_to_them_wherever_they_go(
    shopper: Shopper, other: Shopper, operator: Operator, sandbox: str, advance: Callable[[float], None]
) -> None:
    merge_by_code(shopper, other)
    stays, former = sorted_out(shopper, other)
    token = former.token
    advance(61)
    run_jobs()
    first = taken_out(operator, stays)
    openid = member_queries.profile(first).openid
    merge_by_code(stays, former)
    assert former.get("/v1/me").ok()["member_id"] == stays.member_id
    assert member_queries.resolved(former.member_id) == stays.member_id
    assert openid_of(member_queries.profile(stays.member_id), former.member_id) == openid
    advance(61)
    run_jobs()
    second = taken_out(operator, stays)
    assert len({first, second, stays.member_id}) == 3
    assert former.get("/v1/me").ok()["member_id"] == second
    ids = {former.member_id, first, second}
    assert {member_queries.resolved(one) for one in ids - {second}} == {stays.member_id}  # all else that was theirs
    former.log_in()
    former.leave().ok(204)
    run_jobs()
    left = [item for item in tools.scan(Members) if item.member_id in ids or item.moved_to in ids]
    assert [item.part for item in left if item.member_id == second] == [GONE]
    assert all(item.moved_to == stays.member_id for item in left if item.member_id != second)
    Shopper(former.send, former.sandbox, former.user, token).get("/v1/me").refused(401, "unauthenticated")


@pytest.mark.usefixtures("fresh_window")
def test_nobody_has_many_codes_that_others_mistype_into(
    shopper: Shopper, other: Shopper, advance: Callable[[float], None]
) -> None:
    given = list[str]()
    for _ in range(4):
        answers = [shopper.post("/v1/me/merge-codes") for _ in range(5)]
        given += [answer.json["code"] for answer in answers if answer.status == 201]
        assert {answer.status for answer in answers} <= {201, 429}
        advance(61)
    assert len(given) == 5
    other.post("/v1/me/merges", {"code": given[-1]}).ok(202)
