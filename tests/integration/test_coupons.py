"""Claiming coupons: never more than the total, never more than the limit, and the last ones are found."""

from __future__ import annotations

import contextlib
import random
from collections import Counter
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from chalicelib.commerce.coupons import rules
from chalicelib.commerce.coupons.centre import service as centre
from chalicelib.commerce.coupons.codes import service as codes
from chalicelib.commerce.coupons.inputs import TemplateChangeInput
from chalicelib.commerce.coupons.issue import service as issue
from chalicelib.commerce.coupons.rules import Held
from chalicelib.commerce.coupons.stock import service as stock
from chalicelib.commerce.coupons.templates import service as templates
from chalicelib.commerce.coupons.wallet import service as wallet
from chalicelib.core import clock
from chalicelib.platform.store.transaction import Transaction
from chalicelib.platform.web import tokens
from local.client import Client
from local.client import coupon_template as body
from tests.support.coupons import at_once, coupons_of, crowd, figures, fresh, member, shopper, template, told
from tests.support.outside import POINTS, Crash, Mode, boundary


@pytest.fixture(autouse=True)
def nothing_remembered(dynamodb: str) -> None:
    fresh()


@pytest.fixture
def four_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stock lies in four shards from 240 pieces on."""
    monkeypatch.setattr(rules, "PIECES_PER_SHARD", 60)


def claim_of(template_id: str) -> Callable[[str], Held]:
    return lambda member_id: centre.claim(member_id, template_id)


def test_three_hundred_claims_at_once_of_thirty(dynamodb: str) -> None:
    made = template(total=30)
    people = crowd(120)
    asked = random.Random(1).choices(people, k=180) + people
    answers = at_once(claim_of(made.template_id), asked)
    got = [each for each in answers if isinstance(each, Held)]
    assert len(asked) == 300
    assert len(got) == 30
    assert Counter(each for each in answers if isinstance(each, str)).keys() <= {"sold_out", "claim_limit"}
    assert max(Counter(each.coupon.member_id for each in got).values()) == 1
    assert figures(made) == (30, 0)
    assert sum(len(coupons_of(each)) for each in people) == 30


def test_all_of_a_sharded_stock_is_found_and_no_more(four_shards: None) -> None:
    made = template(total=240, limit_per_member=3)
    assert made.shards == 4
    people = crowd(120)
    answers = at_once(claim_of(made.template_id), random.Random(2).sample(people * 4, 360))
    got = [each for each in answers if isinstance(each, Held)]
    assert len(got) == 240
    assert len({each.coupon.coupon_id for each in got}) == 240
    assert max(Counter(each.coupon.member_id for each in got).values()) <= 3
    assert figures(made) == (240, 0)


def test_the_last_ones_are_found_wherever_they_lie(four_shards: None) -> None:
    made = template(total=240)
    for shard, kept in ((0, 0), (1, 0), (2, 2), (3, 1)):
        tx = Transaction()
        stock.take(tx, made.template_id, shard, 60 - kept, "no")
        tx.commit()
    answers = at_once(claim_of(made.template_id), crowd(20), threads=8)
    assert sum(isinstance(each, Held) for each in answers) == 3
    assert [each for each in answers if isinstance(each, str)] == ["sold_out"] * 17
    assert figures(made) == (240, 0)


def test_a_member_with_a_higher_limit_gets_so_many(dynamodb: str) -> None:
    made, somebody = template(limit_per_member=3), member()
    answers = at_once(lambda _: centre.claim(somebody, made.template_id), range(12), threads=6)
    assert Counter(each if isinstance(each, str) else "got" for each in answers) == {"got": 3, "claim_limit": 9}
    assert len(coupons_of(somebody)) == 3


def test_sold_out_costs_no_write_for_a_second_and_is_over_when_there_are_more(dynamodb: str) -> None:
    made = template(total=1)
    assert isinstance(told(lambda: centre.claim(member(), made.template_id)), Held)
    late = crowd(3)
    assert told(lambda: centre.claim(late[0], made.template_id)) == "sold_out"
    with boundary() as outside:
        assert told(lambda: centre.claim(late[1], made.template_id)) == "sold_out"
    assert outside.calls == ["BatchGetItem"]
    templates.change(made.template_id, msgspec.convert(body(total=2), TemplateChangeInput))
    assert isinstance(told(lambda: centre.claim(late[2], made.template_id)), Held)


def test_a_lost_answer_gives_no_second_one(dynamodb: str) -> None:
    made, somebody = template(limit_per_member=5), member()
    for mode in ("answer_lost", "refused", "conflict"):
        with boundary() as outside:
            outside.arm(2, mode)  # type: ignore[arg-type]
            centre.claim(somebody, made.template_id)
    assert len(coupons_of(somebody)) == 3
    assert figures(made) == (3, 7)


@pytest.mark.parametrize("mode", POINTS)
def test_whichever_call_goes_wrong_who_asks_again_has_one(mode: Mode) -> None:
    made, struck, at = template(total=100, how=["claim", "code"]), True, 0
    while struck:
        at += 1
        claimer, redeemer = crowd(2)
        code = codes.make(made.template_id, 1).codes[0]
        acts: list[Callable[[], Held]] = [
            lambda: centre.claim(claimer, made.template_id),  # noqa: B023 - called in this round
            lambda: codes.redeem(redeemer, code),  # noqa: B023
        ]
        struck = False
        for act in acts:
            with boundary() as outside:
                outside.arm(at, mode)
                with contextlib.suppress(Crash):
                    told(act)
                struck = struck or outside.struck
            assert isinstance(told(act), Held) or told(act) in ("claim_limit", "code_used")
        assert [len(coupons_of(each)) for each in (claimer, redeemer)] == [1, 1], at
    assert at > 2
    assert figures(made) == (2 * at, 100 - 2 * at)


def test_the_same_cause_gives_once(dynamodb: str) -> None:
    made, somebody = template(limit_per_member=5, how=["purchase"]), member()
    answers = at_once(lambda _: issue.give(made, somebody, "purchase", ("o1",)), range(8), threads=8)
    assert all(isinstance(each, issue.Given) for each in answers)
    assert sum(isinstance(each, issue.Given) and each.is_new for each in answers) == 1
    assert figures(made) == (1, 9)
    assert issue.give(made, somebody, "purchase", ("o2",)).is_new


def test_what_is_gone_is_told_by_its_name(somebody: Client) -> None:
    path = f"/v1/coupon-templates/{template(total=1).template_id}/claim"
    shopper(member()).post(path).ok(201)
    problem = somebody.post(path).refused(409, "sold_out")
    assert problem["detail"] == "“五元券”已被领完，可看看其他优惠券"
    assert problem["errors"][0]["field"] == "template_id"


@pytest.fixture
def somebody() -> Client:
    return shopper(member())


def test_claim_and_mine(somebody: Client) -> None:
    made = template(kind="percent_off", percent_off=15, amount_fen=None, ceiling_fen=3000)
    coupon = somebody.post(f"/v1/coupon-templates/{made.template_id}/claim").ok(201)
    assert coupon == {
        "coupon_id": coupon["coupon_id"], "template_id": made.template_id, "name": "五元券", "state": "unused",
        "kind": "percent_off", "percent_off": 15, "ceiling_fen": 3000, "threshold_fen": 2000, "scope": {},
        "stacking": "main", "valid_from": coupon["valid_from"], "valid_until": coupon["valid_until"],
    }  # fmt: skip
    assert somebody.get("/v1/me/coupons").ok()["items"] == [coupon]
    for state in ("locked", "used", "expired"):
        assert somebody.get(f"/v1/me/coupons?state={state}").ok() == {"items": [], "next_cursor": None}
    problem = somebody.post(f"/v1/coupon-templates/{made.template_id}/claim").refused(409, "claim_limit")
    assert problem["detail"] == "“五元券”每人限领 1 张，您已领满"
    assert problem["errors"] == [
        {
            "field": "template_id",
            "code": "coupon_limit_reached",
            "message": problem["detail"],
            "name": "五元券",
            "limit": 1,
        }
    ]
    assert problem["limit"] == 1


def test_who_cannot_claim(somebody: Client) -> None:
    problem = somebody.post("/v1/coupon-templates/t404/claim").refused(404, "not_found")
    assert problem["errors"][0]["code"] == "no_such_coupon_template"
    for more in ({"publish": False}, {"how": ["grant"]}):
        problem = somebody.post(f"/v1/coupon-templates/{template(**more).template_id}/claim").refused(404, "not_found")
        assert problem["detail"] == "这张优惠券现在不能领取，可看看领券中心的其他优惠券"
    made = template(audience={"tags": ["vip"]})
    problem = somebody.post(f"/v1/coupon-templates/{made.template_id}/claim").refused(422, "not_for_you")
    assert problem["detail"] == "“五元券”仅限指定会员领取"
    shopper(member(tags=["vip"])).post(f"/v1/coupon-templates/{made.template_id}/claim").ok(201)
    nobody = shopper("m404")
    nobody.post(f"/v1/coupon-templates/{made.template_id}/claim").refused(401, "unauthenticated")
    nobody.get("/v1/coupon-templates").refused(401, "unauthenticated")


def test_the_centre_shows_what_this_member_can_claim(somebody: Client) -> None:
    hidden: list[dict[str, Any]] = [{"publish": False}, {"how": ["code"]}, {"audience": {"segments": ["loyal"]}}]
    not_theirs = {template(**more).template_id for more in hidden}
    first, second = template(total=3), template(audience={"new_customers": True})
    somebody.post(f"/v1/coupon-templates/{first.template_id}/claim").ok(201)
    fresh()
    shown = somebody.items("/v1/coupon-templates", limit=1)
    mine = [each for each in shown if each["template_id"] in (first.template_id, second.template_id)]
    assert [(each["template_id"], each["left"], each["claimed"]) for each in mine] == [
        (second.template_id, 10, 0),
        (first.template_id, 2, 1),
    ]
    assert not_theirs & {each["template_id"] for each in shown} == set()
    assert mine[0]["valid"] == {"days": 7}
    assert mine[0]["amount_fen"] == 500


def test_states_by_the_clock_and_by_orders(somebody: Client, advance: Callable[[float], None]) -> None:
    member_id = tokens.read("member", f"Bearer {somebody.token}").subject
    made = template(limit_per_member=5, valid={"days": 1})
    held = [centre.claim(member_id, made.template_id).coupon.coupon_id for _ in range(4)]
    for act, coupon_id in ((wallet.lock, held[0]), (wallet.lock, held[1])):
        tx = Transaction()
        act(tx, member_id, made.template_id, coupon_id, "o1", clock.now(), "no")
        tx.commit()
    tx = Transaction()
    wallet.use(tx, member_id, held[1], "o1", "no")
    tx.commit()
    assert _ids(somebody, "unused") == set(held[2:])
    assert [each["order_id"] for each in somebody.items("/v1/me/coupons?state=locked")] == ["o1"]
    assert (_ids(somebody, "locked"), _ids(somebody, "used")) == ({held[0]}, {held[1]})
    advance(86_400.5)
    assert (_ids(somebody, "unused"), _ids(somebody, "expired")) == (set(), set(held[2:]))
    assert {each["state"] for each in somebody.items("/v1/me/coupons?state=expired")} == {"expired"}
    assert (_ids(somebody, "locked"), _ids(somebody, "used")) == ({held[0]}, {held[1]})


def test_cursors_are_of_one_list_of_one_member(somebody: Client) -> None:
    made = template(limit_per_member=3)
    for _ in range(3):
        somebody.post(f"/v1/coupon-templates/{made.template_id}/claim").ok(201)
    assert len(somebody.items("/v1/me/coupons", limit=2)) == 3
    cursor = somebody.get("/v1/me/coupons?limit=2").ok()["next_cursor"]
    shopper(member()).get(f"/v1/me/coupons?cursor={cursor}").refused(400, "cursor_invalid")
    somebody.get(f"/v1/me/coupons?state=used&cursor={cursor}").refused(400, "cursor_invalid")


def _ids(client: Client, state: str) -> set[str]:
    return {each["coupon_id"] for each in client.items(f"/v1/me/coupons?state={state}")}
