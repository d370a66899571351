"""A rule is replaced while others look at it: what it was gives nothing any more, no list is frozen by it, and of two
changes that overlap the later is checked by what the earlier made."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from typing import Any

import pytest

from chalicelib.core import clock
from chalicelib.core.errors import MallError
from chalicelib.growth.segments.audiences import service as audiences
from chalicelib.growth.segments.building import service as building
from chalicelib.growth.segments.definitions import queries as definitions
from chalicelib.growth.segments.definitions.rules import Book
from chalicelib.growth.segments.preview.queries import Trial
from chalicelib.platform.store.transaction import Transaction
from chalicelib.platform.store.versioned import Conflict, commit
from local.client import coupon_template
from tests.support.bulk_issue import all_given_by, granted, progress
from tests.support.coupons import claimed, crowd, template
from tests.support.meanwhile import Meanwhile
from tests.support.segment_mall import SegmentMall, before_segments, opened

VIEWED = {"event": "product_view", "within_days": 30, "op": ">=", "count": 1}
VIEW = {"product_id": "p1", "from": "home"}


@pytest.fixture(scope="module")
def world(dynamodb: str) -> Iterator[SegmentMall]:
    with opened("segment-changes") as mall:
        yield mall


def bought_pot(world: SegmentMall) -> dict[str, Any]:
    return {"purchases": "count", "of": {"product_id": world.mall.products["pot"]}, "op": ">=", "value": 1}


def audience(world: SegmentMall, **asked: Any) -> Any:
    return world.operator.post("/v1/admin/audiences", asked, key=secrets.token_hex(8))


def test_who_came_in_by_what_a_rule_was_is_given_nothing_by_what_it_is(world: SegmentMall) -> None:
    viewer, buyer = world.member(), world.member()
    world.mall.buy(buyer, ("pot", 1))
    replaced = world.live(VIEWED)
    naming = world.live({"segment": replaced})
    through = world.live({"all": [{"segment": naming}, {"life_cycle": ["new"]}]})
    world.hear(viewer, "product_view", **VIEW)
    assert all(world.is_in(one, viewer) for one in (replaced, naming, through))
    world.change(replaced, bought_pot(world))
    made = [template(audience={"segments": [one]}) for one in (replaced, naming, through)]
    assert [claimed(who, one) for who in (viewer, buyer) for one in made] == ["not_for_you"] * 6
    world.built()
    assert [claimed(viewer, one) for one in made] == ["not_for_you"] * 3
    assert [claimed(buyer, one) for one in made] == ["ok"] * 3
    world.check()


def test_a_rule_that_is_new_gives_at_once_what_is_known_to_hold(world: SegmentMall) -> None:
    member_id = world.member()
    made = template(audience={"segments": [world.segment({"life_cycle": ["new"]})]})
    assert claimed(member_id, made) == "ok"


def test_no_coupon_follows_from_a_tag_while_some_have_it_by_what_its_rule_was(world: SegmentMall) -> None:
    viewer = world.member()
    tag_id, tag = world.tag(rule=VIEWED)
    _, through = world.tag(rule={"tag": tag})
    world.built()
    world.hear(viewer, "product_view", **VIEW)
    world.operator.put(f"/v1/admin/tags/{tag_id}", {"rule": bought_pot(world)}).ok()
    for name in (tag, through):
        body = coupon_template(audience={"tags": [name]})
        refused = world.operator.post("/v1/admin/coupon-templates", body).refused(422, "invalid")
        assert [(one["field"], one["code"]) for one in refused["errors"]] == [("audience.tags", "segment_being_built")]
    world.built()
    made = [template(audience={"tags": [name]}) for name in (tag, through)]
    assert [claimed(viewer, one) for one in made] == ["not_for_you"] * 2
    world.check()


def test_no_list_is_frozen_while_everybody_is_looked_at_for_what_it_is_made_by(world: SegmentMall) -> None:
    viewer, buyer = world.member(), world.member()
    world.mall.buy(buyer, ("pot", 1))
    world.hear(viewer, "product_view", **VIEW)
    segment_id = world.segment(VIEWED)

    def refused() -> None:
        for field, value in asked:
            answer = audience(world, **{field: value}).refused(422, "invalid")
            assert [(one["field"], one["code"]) for one in answer["errors"]] == [(field, "segment_being_built")]

    asked: list[tuple[str, Any]] = [("segment_id", segment_id), ("rule", {"not": {"segment": segment_id}})]
    refused()  # it is new
    naming = world.live({"segment": segment_id})
    world.change(segment_id, bought_pot(world))
    asked += [("segment_id", naming), ("rule", {"segment": naming})]
    refused()  # it is another
    assert audience(world, members=[viewer]).ok(201)["count"] == 1
    world.built()
    for field, value in (*asked[:1], *asked[2:]):
        made = audience(world, **{field: value}).ok(201)
        assert (made["state"], made["proven"], made["count"]) == ("made", True, len(world.listed(segment_id)))
    assert buyer in world.listed(naming)
    assert viewer not in world.listed(naming)


def test_a_list_whose_rule_is_replaced_while_it_is_made_is_proven_where_both_are(
    world: SegmentMall, monkeypatch: pytest.MonkeyPatch
) -> None:
    viewer = world.member()
    changed, stays = (world.segment({"life_cycle": ["new"]}) for _ in range(2))
    world.built()
    monkeypatch.setattr(audiences, "_REQUEST_SECONDS", -1.0)
    lists = [audience(world, segment_id=one).ok(201) for one in (changed, stays)]
    assert [(one["state"], one["proven"]) for one in lists] == [("making", True)] * 2
    world.change(changed, VIEWED)
    world.hear(viewer, "product_view", **VIEW)
    world.mall.work()
    lists = [world.operator.get(f"/v1/admin/audiences/{one['audience_id']}").ok() for one in lists]
    assert [(one["state"], one["proven"]) for one in lists] == [("made", False), ("made", True)]
    made = template(how=["grant"])
    with pytest.raises(MallError) as refused:
        granted(made, audience_id=lists[0]["audience_id"])
    assert [error.reason.code for error in refused.value.errors] == ["by_clients_alone"]


def read_late(monkeypatch: pytest.MonkeyPatch, what: Callable[[], object]) -> None:
    """It happens once, just after the book has been read for the next change."""
    meanwhile, read = Meanwhile(), definitions.fresh
    meanwhile.plan(0, what)

    def late() -> Book:
        found = read()
        meanwhile.on_commit()
        return found

    monkeypatch.setattr(definitions, "fresh", late)


def test_two_changes_that_overlap_make_no_ring(world: SegmentMall, monkeypatch: pytest.MonkeyPatch) -> None:
    one, other = world.live({"life_cycle": ["new"]}), world.live({"life_cycle": ["new"]})
    read_late(monkeypatch, lambda: world.change(other, {"segment": one}))
    body = {"name": "环", "rule": {"segment": other}}
    world.operator.put(f"/v1/admin/segments/{one}", body).refused(422, "segment_cycle")
    assert definitions.fresh().entries[other].named == {one}
    world.built()
    world.check()


def test_what_is_taken_away_is_named_by_no_rule_that_came_meanwhile(
    world: SegmentMall, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = world.live({"life_cycle": ["new"]}), world.live({"life_cycle": ["new"]})
    read_late(monkeypatch, lambda: world.change(other, {"segment": one}))
    refused = world.operator.delete(f"/v1/admin/segments/{one}").refused(409, "in_use")
    assert refused["users"] == [f"segment:{other}"]


@pytest.mark.parametrize("change", [building.next_generation, building.touch], ids=["decided", "not decided"])
def test_a_change_is_of_the_generation_by_which_it_was_checked(
    world: SegmentMall, change: Callable[[Transaction, int], object]
) -> None:
    checked = definitions.fresh().generation
    world.segment({"life_cycle": ["new"]})
    late, now = Transaction(), Transaction()
    change(late, checked)
    with pytest.raises(Conflict):
        commit(late)
    change(now, checked + 1)
    commit(now)


def test_a_list_by_what_members_do_passes_over_who_wants_no_more_to_be_chosen_by_that(world: SegmentMall) -> None:
    world.built()
    buyer, unwilling, regretful = people = [world.member() for _ in range(3)]
    with before_segments():
        early, too_early = world.member(), world.member()
        for who in (early, too_early):
            world.mall.buy(who, ("crate", 1))
        willing(world, too_early, False)
    for who in people:
        world.mall.buy(who, ("crate", 1))
    bought = {"purchases": "count", "of": {"product_id": world.mall.products["crate"]}, "op": ">=", "value": 1}
    made = audience(world, rule=bought).ok(201)
    joined = audience(world, rule={"days_since": "joined", "op": "<=", "days": 1}).ok(201)
    by_name = audience(world, members=[unwilling]).ok(201)
    assert made["count"] == 4
    for who, is_willing in ((unwilling, False), (regretful, False), (regretful, True)):
        willing(world, who, is_willing)
    assert given_to(world, made) == {buyer, regretful, early}
    assert {unwilling, too_early} <= given_to(world, joined)
    assert given_to(world, by_name) == {unwilling}


def willing(world: SegmentMall, who: str, personalised: bool) -> None:
    """The member says whether what they do may count for what they are offered."""
    world.phone(who).put("/v1/me/preferences", {"personalised": personalised}).ok()


def given_to(world: SegmentMall, listed: dict[str, Any]) -> set[str]:
    """Who gets a coupon that is granted to the audience; the grant comes to its end."""
    made = template(how=["grant"], total=1000)
    grant = granted(made, audience_id=listed["audience_id"])
    world.mall.work()
    assert progress(grant).state == "done"
    return set(all_given_by(made))


def test_a_list_by_a_rule_that_looks_back_goes_on_in_small_steps(
    world: SegmentMall, monkeypatch: pytest.MonkeyPatch
) -> None:
    people = crowd(4 * 26, joined_at=clock.now() - timedelta(minutes=1))  # more than 25 in one of four shards at least
    looked_at: list[int] = []
    holds_for = Trial.holds_for

    def seen(trial: Trial, member_ids: Sequence[str]) -> list[bool]:
        looked_at.append(len(member_ids))
        return holds_for(trial, member_ids)

    monkeypatch.setattr(Trial, "holds_for", seen)
    known = audience(world, rule={"life_cycle": ["new"]}).ok(201)
    assert (known["state"], max(looked_at) > 25, known["count"] >= len(people)) == ("made", True, True)
    looked_at.clear()
    back = {"not": {"coupon": template().template_id, "state": "unused"}}
    made = audience(world, rule={"all": [back, {"life_cycle": ["new"]}]}).ok(201)
    world.mall.wait(60)  # what a request does not get done goes on by itself
    made = world.operator.get(f"/v1/admin/audiences/{made['audience_id']}").ok()
    assert (made["state"], max(looked_at) <= 25, made["count"]) == ("made", True, known["count"])
