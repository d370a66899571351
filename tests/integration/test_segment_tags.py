"""Tags: by hand, with who, when and why; by rule; for a time; taken away by their members; and the profile follows, so
that coupons for a tag see it. Erasure and export, of these and of all else that segments keep."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from chalicelib.commerce.coupons.centre import service as centre
from chalicelib.core import clock
from chalicelib.core.settings import settings
from chalicelib.customers.members import queries as members
from chalicelib.customers.members.logins import service as logins
from chalicelib.customers.members.privacy import service as privacy
from chalicelib.customers.members.rules import Visit
from chalicelib.customers.members.tables import mini_identity
from chalicelib.gateways.wechat import mini
from chalicelib.growth.segments.definitions import queries as definitions
from chalicelib.growth.segments.tables import MemberTraits
from chalicelib.growth.segments.traits.queries import book_for, stored
from chalicelib.platform.store import cache, read
from tests.support.bulk_issue import all_given_by, granted
from tests.support.coupons import fresh, template, told
from tests.support.distribution import bare_member
from tests.support.segment_mall import DAY, SegmentMall, opened, traits_of


@pytest.fixture(scope="module")
def world(dynamodb: str) -> Iterator[SegmentMall]:
    with opened("segment-tags") as mall:
        yield mall


def tags_of(world: SegmentMall, member_id: str) -> list[dict[str, str]]:
    found: list[dict[str, str]] = world.operator.get(f"/v1/admin/members/{member_id}/tags").ok()["items"]
    return found


def give(world: SegmentMall, member_id: str, *names: str, remove: tuple[str, ...] = ()) -> None:
    body = {"add": list(names), "remove": list(remove), "reason": "常客"}
    world.operator.post(f"/v1/admin/members/{member_id}/tags", body).ok()


def profile_tags(member_id: str) -> list[str]:
    profile = members.current(member_id)
    assert profile is not None
    return profile.tags


def test_a_tag_by_hand_says_who_when_and_why_and_coupons_see_it(world: SegmentMall) -> None:
    member_id, other = world.member(), world.member()
    tag_id, name = world.tag()
    world.built()
    made = template(audience={"tags": [name]})
    fresh()
    assert told(lambda: centre.claim(member_id, made.template_id)) == "not_for_you"
    give(world, member_id, name)
    [tag] = tags_of(world, member_id)
    assert (tag["name"], tag["why"], tag["by"].partition(":")[0]) == (name, "常客", "operator")
    assert profile_tags(member_id) == [name]
    told(lambda: centre.claim(member_id, made.template_id))
    assert all_given_by(made) == {member_id: 1}
    listed = world.operator.get(f"/v1/admin/members?tag={name}").ok()["items"]
    assert [one["member_id"] for one in listed] == [member_id]
    assert world.operator.get(f"/v1/admin/tags/{tag_id}").ok()["count"] == 1
    world.check()
    give(world, member_id, remove=(name,))
    give(world, other, name)
    assert (profile_tags(member_id), profile_tags(other), tags_of(world, member_id)) == ([], [name], [])
    world.check()
    moves = world.operator.get(f"/v1/admin/members/{member_id}/segment-history").ok()["items"]
    assert [one["came"] for one in moves if one["segment_id"] == tag_id] == [False, True]


def test_a_tag_by_rule_stays_as_long_as_its_rule_holds_and_its_days_after(world: SegmentMall) -> None:
    mall, member_id = world.mall, world.member()
    _, brief = world.tag(rule={"event": "cart_view", "within_days": 1, "op": ">=", "count": 1})
    _, lasting = world.tag(rule={"event": "cart_view", "within_days": 1, "op": ">=", "count": 1}, ttl_days=2)
    _, by_hand = world.tag(ttl_days=1)
    tagged = world.segment({"tag": lasting, "within_days": 3})
    world.built()
    world.hear(member_id, "cart_view")
    give(world, member_id, by_hand)
    mall.work()
    assert profile_tags(member_id) == sorted([brief, lasting, by_hand])
    assert [(one["name"], one["by"]) for one in tags_of(world, member_id) if one["name"] != by_hand] == sorted(
        [(brief, "rule"), (lasting, "rule")]
    )
    world.check()
    mall.wait(DAY + 20)
    assert profile_tags(member_id) == [lasting]
    world.check()
    assert world.is_in(tagged, member_id)
    mall.wait(2 * DAY)
    assert profile_tags(member_id) == []
    assert not world.is_in(tagged, member_id)
    world.check()


def test_a_process_that_does_not_know_of_a_tag_yet_takes_it_from_nobody(
    world: SegmentMall, monkeypatch: pytest.MonkeyPatch
) -> None:
    member_id = world.member()
    world.built()
    definitions.book()
    before, remembered = definitions._made, cache.recall((definitions.CACHE,))
    _, name = world.tag()
    give(world, member_id, name)
    monkeypatch.setattr(definitions, "_made", before)  # as another process has it for a moment more
    cache.keep((definitions.CACHE,), remembered)
    assert definitions.book().named(name) is None
    assert book_for(traits_of(member_id)).named(name) is not None
    world.mall.buy(member_id, ("cup", 1))
    assert profile_tags(member_id) == [name]
    world.check()


def test_who_takes_tags_away_gets_them_by_no_rule_again(world: SegmentMall) -> None:
    member_id = world.member()
    phone = world.phone(member_id)
    _, ruled = world.tag(rule={"life_cycle": ["new"]})
    _, given = world.tag()
    world.built()
    give(world, member_id, given)
    assert [one["name"] for one in phone.get("/v1/me/tags").ok()["items"]] == sorted([ruled, given])
    phone.delete(f"/v1/me/tags?tag={ruled}").ok(204)
    phone.delete("/v1/me/tags?tag=nothing").ok(204)
    assert phone.get("/v1/me").ok()["tags"] == [given]
    assert traits_of(member_id).refused == [ruled]
    world.check()
    phone.delete("/v1/me/tags").ok(204)
    world.check()
    world.mall.wait(DAY)
    assert (profile_tags(member_id), phone.get("/v1/me/tags").ok()["items"]) == ([], [])
    give(world, member_id, ruled)  # an operator may
    assert profile_tags(member_id) == [ruled]
    world.check()


def test_a_deleted_tag_is_taken_from_everybody_and_another_of_its_name_begins_anew(world: SegmentMall) -> None:
    people = [world.member() for _ in range(5)]
    tag_id, name = world.tag()
    for who in people:
        give(world, who, name)
    world.operator.delete(f"/v1/admin/tags/{tag_id}").ok(204)
    again = world.operator.post("/v1/admin/tags", {"name": name}).ok(201)["tag_id"]
    give(world, people[0], name)
    world.built()
    assert [name in profile_tags(who) for who in people] == [True, False, False, False, False]
    assert world.listed(again) == {people[0]}
    world.check()
    world.operator.delete(f"/v1/admin/tags/{again}").ok(204)
    world.built()
    assert name not in profile_tags(people[0])
    world.check()


def test_export_tells_traits_and_history_and_erasure_leaves_nothing(world: SegmentMall) -> None:
    mall = world.mall
    member_id, other = world.member(), world.member()
    named = world.live({"life_cycle": ["new"]})
    _, name = world.tag()
    give(world, member_id, name)
    listed = world.operator.post("/v1/admin/audiences", {"segment_id": named}, key="all").ok(201)
    told_of = world.phone(member_id).get("/v1/me/export").ok()["sections"]
    [known] = told_of["traits"]
    assert {"name": name, "by": "operator"}.items() <= next(one for one in known["tags"] if one["name"] == name).items()
    assert {one["segment_id"] for one in known["segments"]} >= {"new", named}
    assert {one["segment_id"] for one in told_of["segment_history"]} >= {"new", named}
    before = world.operator.get(f"/v1/admin/segments/{named}").ok()["count"]
    privacy.erase(member_id)
    mall.wait(1)
    assert stored(member_id) is None
    assert list(read.query_all(MemberTraits, member_id, consistent=True)) == []
    assert world.operator.get(f"/v1/admin/segments/{named}").ok()["count"] == before - 1
    assert member_id not in world.listed(named)
    assert other in world.listed(named)
    world.check()
    made = template(how=["grant"], total=100)
    granted(made, audience_id=listed["audience_id"])
    mall.work()
    assert member_id not in all_given_by(made)
    assert other in all_given_by(made)
    world.segment({"life_cycle": ["silent"]})
    world.built()
    mall.wait(40 * DAY)
    assert stored(member_id) is None
    world.check()


def test_late_jobs_bring_nobody_back(world: SegmentMall) -> None:
    """Settling, a look, and a build were owed as the person left."""
    member_id = world.member()
    segment_id = world.segment({"event": "cart_view", "within_hours": 1, "op": ">=", "count": 1})
    world.hear(member_id, "cart_view")
    privacy.erase(member_id)
    world.built()
    world.mall.wait(DAY)
    assert stored(member_id) is None
    assert world.listed(segment_id) == set()
    world.check()


def test_who_comes_back_is_known_anew(world: SegmentMall) -> None:
    mall, openid = world.mall, "o-comes-back"
    member_id = world.with_address(bare_member(openid))
    _, name = world.tag()
    give(world, member_id, name)
    mall.deliver(mall.buy(member_id, ("cup", 1)))
    mall.wait(16 * DAY)
    assert world.word(member_id) == "first_order"
    privacy.erase(member_id)
    mall.wait(2 * DAY)
    again = logins._found_or_joined(
        mini_identity(settings().wechat_appid, openid), mini.Session(openid=openid, unionid=None), Visit(at=clock.now())
    ).member.member_id
    assert again != member_id
    assert (world.word(again), profile_tags(again), traits_of(again).bought) == ("silent", [], [])
    world.check()
    assert stored(member_id) is None
