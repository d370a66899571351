"""What coupons, promotions and grants ask of segments: at the boundary to the millisecond, and never of what clients
alone can make up."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from chalicelib.commerce.orders.inputs import LineInput, QuoteInput
from chalicelib.commerce.orders.placement import service as placement
from chalicelib.commerce.pricing import service as pricing
from chalicelib.commerce.pricing.promotions.rules import ThresholdOff, ThresholdTier
from chalicelib.core import clock
from chalicelib.growth.segments.asking import service as asking
from chalicelib.growth.segments.audiences import service as audiences
from chalicelib.growth.segments.traits import queries as traits_queries
from chalicelib.platform.store import cache
from local.client import coupon_template
from tests.support.bulk_issue import all_given_by, granted, progress
from tests.support.coupons import claimed, template
from tests.support.segment_mall import DAY, SegmentMall, before_segments, opened


@pytest.fixture(scope="module")
def world(dynamodb: str) -> Iterator[SegmentMall]:
    with opened("segment-uses") as mall:
        yield mall


def test_a_coupon_for_a_segment_is_claimed_until_the_last_millisecond(world: SegmentMall) -> None:
    mall, member_id = world.mall, world.member()
    with before_segments():
        early = world.member()
    bought = world.live({"purchases": "count", "within_days": 3, "op": ">=", "value": 1})
    made = template(audience={"segments": [bought]}, limit_per_member=9, total=100)
    assert claimed(member_id, made) == claimed(early, made) == "not_for_you"
    mall.buy(member_id, ("cup", 1))
    paid_at = clock.now()
    assert claimed(member_id, made) == "ok"
    mall.clock.advance((paid_at + timedelta(days=3) - clock.now()).total_seconds())
    assert claimed(member_id, made) == "ok"
    mall.clock.advance(0.001)
    assert claimed(member_id, made) == "not_for_you"
    world.check()


def test_who_was_here_before_there_were_segments_is_asked_about_all_the_same(world: SegmentMall) -> None:
    with before_segments():
        early = world.member()
        world.mall.buy(early, ("cup", 1))
    bought = world.segment({"purchases": "count", "op": ">=", "value": 1})
    made = template(audience={"segments": [bought]})
    assert claimed(early, made) == "ok"


def test_who_was_here_before_there_were_segments_comes_in_by_what_friends_bring_them(world: SegmentMall) -> None:
    with before_segments():
        early = world.member()
    made = template(how=["share"], limit_per_member=9, share_limit=9, total=100)
    has_one = world.segment({"coupon": made.template_id, "state": "unused"})
    share = {"template_id": made.template_id}
    token = world.phone(early).post("/v1/me/coupons/share", share).ok()["share_token"]
    claim = f"/v1/coupon-templates/{made.template_id}/claim"
    world.phone(world.member()).post(claim, {"share_token": token}).ok(201)
    world.mall.work()  # before anybody was looked at for it
    world.built()
    assert early in world.listed(has_one)
    world.check()


def test_an_offer_for_a_segment_is_in_the_quote_of_its_members_alone(world: SegmentMall) -> None:
    mall = world.mall
    member_id, other = world.member(), world.member()
    bought = world.live({"purchases": "sum_fen", "op": ">=", "value": 10_000})
    off = ThresholdOff(
        name="老客满减", segments=[bought], tiers=[ThresholdTier(threshold_fen=9_000, off_fen=500)],
        starts_at=clock.now() - timedelta(days=1), ends_at=clock.now() + timedelta(days=900),
    )  # fmt: skip
    pricing.put_promotion("old", off)
    cache.forget("pricing")

    def discount(who: str) -> int:
        lines = [LineInput(mall.skus["pot"], 1)]
        return placement.quote(who, QuoteInput(lines=lines, address_id=mall.addresses[who])).discount_fen

    assert (discount(member_id), discount(other)) == (0, 0)
    order = mall.buy(member_id, ("pot", 1))
    assert (discount(member_id), discount(other)) == (500, 0)
    mall.refund(order)
    assert discount(member_id) == 0
    world.operator.delete(f"/v1/admin/segments/{bought}").refused(409, "in_use")


def test_what_clients_alone_lead_into_gives_nothing(world: SegmentMall) -> None:
    viewed = {"event": "cart_view", "within_days": 9, "op": ">=", "count": 1}
    unproven = world.segment(viewed)
    _, tag = world.tag(rule=viewed)
    through = world.segment({"tag": tag})
    mixed = world.segment({"all": [viewed, {"life_cycle": ["new"]}]})
    either = world.segment({"any": [viewed, {"life_cycle": ["new"]}]})
    denied = world.segment({"not": {"segment": mixed}})
    _, by_hand = world.tag()
    given, withheld = world.segment({"tag": by_hand}), world.segment({"not": {"tag": by_hand}})
    proven = {unproven: False, through: False, mixed: True, either: False, denied: False, given: True, withheld: False}
    for segment_id, is_proven in proven.items():
        shown = world.operator.get(f"/v1/admin/segments/{segment_id}").ok()
        assert shown["proven"] is is_proven
        asked = world.operator.post(
            "/v1/admin/coupon-templates", coupon_template(audience={"segments": [segment_id]})
        )  # fmt: skip
        if is_proven:
            asked.ok(201)
            continue
        refused = asked.refused(422, "invalid")
        assert [one["code"] for one in refused["errors"]] == ["by_clients_alone"]
    world.built()
    listed = world.operator.post("/v1/admin/audiences", {"segment_id": unproven}, key=secrets.token_hex(8)).ok(201)
    assert listed["proven"] is False
    made = template(how=["grant"], total=100)
    asked = world.operator.post(
        f"/v1/admin/coupon-templates/{made.template_id}/grants",
        {"audience_id": listed["audience_id"]}, key=secrets.token_hex(8),
    )  # fmt: skip
    assert [one["code"] for one in asked.refused(422, "invalid")["errors"]] == ["by_clients_alone"]


def test_what_coupons_name_is_not_changed_to_what_clients_make_up(world: SegmentMall) -> None:
    segment_id = world.live({"life_cycle": ["new"]})
    template(audience={"segments": [segment_id]}, limit_per_member=9, total=100)
    made_up = {"any": [{"life_cycle": ["new"]}, {"days_since": "birthday", "op": "<=", "days": 9}]}
    asked = world.operator.put(f"/v1/admin/segments/{segment_id}", {"name": "新", "rule": made_up})
    assert [one["code"] for one in asked.refused(422, "rule_invalid")["errors"]] == ["by_clients_alone"]


def test_a_segment_that_a_template_names_stays_and_says_by_what(world: SegmentMall) -> None:
    segment_id = world.live({"life_cycle": ["new"]})
    made = template(audience={"segments": [segment_id]})
    refused = world.operator.delete(f"/v1/admin/segments/{segment_id}").refused(409, "in_use")
    assert refused["users"] == [f"coupon:{made.template_id}"]


@pytest.mark.parametrize("kind", ["tag", "segment"])
def test_what_a_grant_under_way_looks_at_stays_and_is_not_changed_to_what_clients_make_up(
    world: SegmentMall, kind: str
) -> None:
    member_id = world.member()
    if kind == "tag":
        named, name = world.tag(rule={"life_cycle": ["new"]})
        world.built()
        path, body, audience = f"/v1/admin/tags/{named}", {}, {"tags": [name]}
    else:
        named = world.live({"life_cycle": ["new"]})
        path, body, audience = f"/v1/admin/segments/{named}", {"name": "新"}, {"segments": [named]}
    made = template(how=["grant"], total=100)
    grant = granted(made, audience=audience)
    refused = world.operator.delete(path).refused(409, "in_use")
    assert refused["users"] == [f"grant:{made.template_id}/{grant.grant_id}"]
    made_up = {"event": "cart_view", "within_days": 9, "op": ">=", "count": 1}
    asked = world.operator.put(path, body | {"rule": made_up})
    assert [one["code"] for one in asked.refused(422, "rule_invalid")["errors"]] == ["by_clients_alone"]
    world.mall.work()
    assert (progress(grant).state, all_given_by(made)[member_id]) == ("done", 1)
    world.operator.put(path, body | {"rule": made_up}).ok()
    world.operator.delete(path).ok(204)
    world.built()


def test_a_grant_that_nobody_can_get_any_more_holds_nothing(world: SegmentMall) -> None:
    world.member()
    named, name = world.tag()
    world.built()
    made = template(how=["grant"], total=100, valid={"until": clock.stamp(clock.now() + timedelta(hours=1))})
    granted(made, audience={"tags": [name]})
    world.operator.delete(f"/v1/admin/tags/{named}").refused(409, "in_use")
    world.mall.clock.advance(3601)
    world.operator.delete(f"/v1/admin/tags/{named}").ok(204)
    world.built()


def test_a_grant_goes_to_the_list_of_an_audience_and_not_while_it_is_made(
    world: SegmentMall, monkeypatch: pytest.MonkeyPatch
) -> None:
    people = [world.member() for _ in range(8)]
    for who in people:
        world.mall.buy(who, ("cup", 1))
    some = world.live({"purchases": "count", "within_days": 1, "op": ">=", "value": 1})
    gone = world.mall.buy(people[7], ("cup", 1))
    assert gone.paid_at is not None

    def asked(body: dict[str, Any], key: str) -> dict[str, Any]:
        answer: dict[str, Any] = world.operator.post("/v1/admin/audiences", body, key=key).ok(201)
        return answer

    monkeypatch.setattr(audiences, "_PAGE", 3)
    whole = asked({"segment_id": some}, "whole")
    assert (whole["state"], whole["count"]) == ("made", len(world.listed(some)))
    assert asked({"segment_id": some}, "whole") == whole
    world.operator.post("/v1/admin/audiences", {"segment_id": "new"}, key="whole").refused(
        422, "idempotency_key_reused"
    )
    by_rule = {"rule": {"all": [{"segment": some}, {"life_cycle": ["new"]}]}}
    with monkeypatch.context() as patch:
        patch.setattr(audiences, "_REQUEST_SECONDS", -1.0)
        making = asked(by_rule, "rule")
    assert making["state"] == "making"
    made = template(how=["grant"], total=100)
    refused = world.operator.post(
        f"/v1/admin/coupon-templates/{made.template_id}/grants",
        {"audience_id": making["audience_id"]}, key=secrets.token_hex(8),
    ).refused(422, "invalid")  # fmt: skip
    assert [one["code"] for one in refused["errors"]] == ["audience_being_made"]
    world.mall.wait(DAY / 24)
    assert world.operator.get(f"/v1/admin/audiences/{making['audience_id']}").ok()["state"] == "made"
    granted(made, audience_id=making["audience_id"])
    world.mall.work()
    assert set(all_given_by(made)) >= set(people)
    assert max(all_given_by(made).values()) == 1
    world.check()


def test_who_cannot_be_decided_for_buys_and_is_shown_what_they_were(
    world: SegmentMall, monkeypatch: pytest.MonkeyPatch
) -> None:
    member_id = world.member()
    segment_id = world.live({"life_cycle": ["new"]}, shown=True)
    made = template(audience={"segments": [segment_id]})

    def fails(*_: Any) -> Any:
        raise ArithmeticError

    with monkeypatch.context() as patch:
        patch.setattr(asking, "advance", fails)
        patch.setattr(traits_queries, "advance", fails)
        assert claimed(member_id, made) == "not_for_you"
        shown = world.phone(member_id).get("/v1/me").ok()["segments"]
        assert segment_id in [one["segment_id"] for one in shown]
    assert claimed(member_id, made) == "ok"
