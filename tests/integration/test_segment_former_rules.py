"""What rules were before leads to no coupon: neither by what names them, nor by a list that is made meanwhile, nor by a
tag of the same name, or one that stays for its days."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from typing import Any

import pytest

from chalicelib.commerce.coupons.bulk_issue import queries as grants
from chalicelib.commerce.coupons.bulk_issue.rules import STEP_MEMBERS_OBSERVED
from chalicelib.commerce.coupons.bulk_issue.service import PAUSED_SECONDS
from chalicelib.commerce.coupons.ports import OBSERVED_MAX
from chalicelib.growth.segments.audiences import service as audiences
from chalicelib.growth.segments.membership import service as membership
from chalicelib.platform.store.transaction import Transaction
from local.client import coupon_template
from tests.support.bulk_issue import all_given_by, granted
from tests.support.coupons import claimed, crowd, template
from tests.support.segment_mall import SegmentMall, before_segments, opened

VIEWED = {"event": "cart_view", "within_days": 9, "op": ">=", "count": 1}


@pytest.fixture(scope="module")
def world(dynamodb: str) -> Iterator[SegmentMall]:
    with opened("segment-former") as mall:
        yield mall


def bought(world: SegmentMall, many: int = 1) -> dict[str, Any]:
    """A rule that asks for what nobody has counted so far."""
    of = {"product_id": world.mall.products["pot"]}
    return {"purchases": "count", "of": of, "op": ">=", "value": many}


def reasons(answer: Any) -> list[str]:
    return [one["code"] for one in answer.refused(422, "invalid")["errors"]]


def test_what_a_named_rule_was_gives_nothing_while_it_is_replaced(world: SegmentMall) -> None:
    member_id = world.member()
    named = world.live(VIEWED)
    naming = world.live({"segment": named})
    world.hear(member_id, "cart_view")
    assert world.is_in(naming, member_id)
    world.change(named, bought(world))
    made = template(audience={"segments": [naming]})
    assert claimed(member_id, made) == "not_for_you"
    for asked in ({"segment_id": naming}, {"rule": {"segment": naming}}):
        answer = world.operator.post("/v1/admin/audiences", asked, key=secrets.token_hex(8))
        assert reasons(answer) == ["segment_being_built"]
    world.built()
    assert claimed(member_id, made) == "not_for_you"
    world.mall.buy(member_id, ("pot", 1))
    assert claimed(member_id, made) == "ok"


def test_a_list_that_clients_came_onto_while_it_was_made_gives_nothing(
    world: SegmentMall, monkeypatch: pytest.MonkeyPatch
) -> None:
    member_id = world.member()
    segment_id = world.live({"life_cycle": ["loyal"]})
    with monkeypatch.context() as patch:
        patch.setattr(audiences, "_REQUEST_SECONDS", -1.0)
        making = world.operator.post("/v1/admin/audiences", {"segment_id": segment_id}, key="making").ok(201)
    assert (making["state"], making["proven"]) == ("making", True)
    world.change(segment_id, {"source": {"channel": "made-up"}, "touch": "last"})
    world.phone(member_id).post("/v1/me/visits", {"channel": "made-up"}).ok()
    membership.settle_now(member_id)
    world.built()
    made = world.operator.get(f"/v1/admin/audiences/{making['audience_id']}").ok()
    assert (made["state"], made["count"], made["proven"]) == ("made", 1, False)


def test_a_tag_of_a_name_that_there_was_gives_nothing_before_all_are_looked_at(world: SegmentMall) -> None:
    member_id = world.member()
    tag_id, name = world.tag(rule=VIEWED)
    world.built()
    world.hear(member_id, "cart_view")
    world.mall.work()
    world.operator.delete(f"/v1/admin/tags/{tag_id}").ok(204)
    world.operator.post("/v1/admin/tags", {"name": name}).ok(201)
    asked = coupon_template(audience={"tags": [name]})
    assert reasons(world.operator.post("/v1/admin/coupon-templates", asked)) == ["segment_being_built"]
    world.built()
    made = template(audience={"tags": [name]})
    assert claimed(member_id, made) == "not_for_you"
    world.operator.post(f"/v1/admin/members/{member_id}/tags", {"add": [name]}).ok()
    assert claimed(member_id, made) == "ok"


def test_a_tag_that_clients_led_to_does_not_stay_when_its_rule_is_one_that_gives(world: SegmentMall) -> None:
    viewer, buyer = world.member(), world.member()
    tag_id, name = world.tag(rule=VIEWED, ttl_days=300)
    named = world.segment(VIEWED)
    _, through = world.tag(rule={"segment": named}, ttl_days=300)
    world.built()
    for who in (viewer, buyer):
        world.hear(who, "cart_view")
    world.mall.buy(buyer, ("pot", 1))
    world.operator.put(f"/v1/admin/tags/{tag_id}", {"rule": bought(world), "ttl_days": 300}).ok()
    world.change(named, bought(world))
    world.built()
    for tag in (name, through):
        made = template(audience={"tags": [tag]})
        assert claimed(viewer, made) == "not_for_you"
        assert claimed(buyer, made) == "ok"
    world.check()


def test_a_grant_that_is_under_way_waits_while_its_tag_is_one_that_clients_lead_to(
    world: SegmentMall, monkeypatch: pytest.MonkeyPatch
) -> None:
    member_id = world.member()
    tag_id, name = world.tag(rule=bought(world))
    world.built()
    made = template(how=["grant"], total=100)
    granted(made, audience={"tags": [name]})
    change = f"/v1/admin/tags/{tag_id}"
    led = {"rule": {"source": {"channel": "told"}, "touch": "last"}}
    world.operator.put(change, led).refused(422, "rule_invalid")
    with monkeypatch.context() as patch:
        patch.setattr(grants, "naming_tag", lambda _: [])  # the index does not show the grant yet
        world.operator.put(change, led).ok()
    world.phone(member_id).post("/v1/me/visits", {"channel": "told"}).ok()
    membership.settle_now(member_id)
    world.built()
    assert all_given_by(made) == {}
    world.operator.put(change, {"rule": {"life_cycle": ["new"]}}).ok()
    world.built()
    world.mall.wait(PAUSED_SECONDS)
    assert all_given_by(made)[member_id] == 1


def test_a_grant_has_room_for_members_of_before_there_were_segments(
    world: SegmentMall, monkeypatch: pytest.MonkeyPatch
) -> None:
    with before_segments():
        early = crowd(STEP_MEMBERS_OBSERVED)
    made = template(how=["grant"], total=20_000)
    assert made.shards == 32
    world.segment({"coupon": made.template_id, "state": "unused"})
    sizes: list[int] = []
    commit = Transaction.commit
    monkeypatch.setattr(Transaction, "commit", lambda tx: (commit(tx), sizes.append(len(tx)))[0])
    granted(made, members=early)
    world.mall.work()
    assert all_given_by(made) == dict.fromkeys(early, 1)
    assert max(sizes) - 2 <= len(early) * (2 + OBSERVED_MAX)  # the rest: a shard of the stock, the part
