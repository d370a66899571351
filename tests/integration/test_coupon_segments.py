"""Coupons for members of segments: life cycle by the merchant's bounds, custom ones by what the wing above says, in the
read that is made anyway; and only where one is named."""

from __future__ import annotations

import secrets
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from chalicelib.commerce.coupons.centre import queries as centre_queries
from chalicelib.commerce.coupons.centre import service as centre
from chalicelib.commerce.coupons.codes import service as codes
from chalicelib.commerce.coupons.inputs import TemplateInput
from chalicelib.commerce.coupons.issue.service import give
from chalicelib.commerce.coupons.rules import Template
from chalicelib.commerce.coupons.sharing import service as sharing
from chalicelib.commerce.coupons.templates import queries as template_queries
from chalicelib.commerce.coupons.templates import service as templates
from chalicelib.core import clock
from chalicelib.core.errors import MallError
from chalicelib.customers.members.rules import LifeCycleRules
from chalicelib.customers.members.settings import LIFE_CYCLE
from chalicelib.growth.segments.definitions import queries as definitions
from local.client import coupon_template
from tests.support.bulk_issue import counts, ended, given_by, granted, progress, shorten_steps
from tests.support.coupons import claimed, coupons_of, crowd, fresh, member, template, told
from tests.support.outside import boundary
from tests.support.segments import MadeUpLists, MadeUpSegments, made_up_lists, made_up_segments

VIP, LAPSED = "sgvip", "sglapsed"


@pytest.fixture
def segments(dynamodb: str) -> Iterator[MadeUpSegments]:
    with made_up_segments(VIP, LAPSED) as stand_in:
        yield stand_in


@pytest.fixture
def lists(dynamodb: str) -> Iterator[MadeUpLists]:
    with made_up_lists() as stand_in:
        yield stand_in


@pytest.fixture
def bounds(dynamodb: str) -> Iterator[Callable[[LifeCycleRules], None]]:
    yield lambda rules: LIFE_CYCLE.change(rules) and None
    LIFE_CYCLE.change(LifeCycleRules())


def for_members_of(*segment_ids: str, **more: Any) -> Template:
    made = template(audience={"segments": list(segment_ids)}, **more)
    fresh()
    return made


def offered_to(member_id: str, *among: Template) -> list[str]:
    fresh()
    ids = {each.template_id for each in among}
    shown, _ = centre_queries.centre(member_id, 100, None)
    return [each.template.template_id for each in shown if each.template.template_id in ids]


def test_who_is_in_a_custom_segment_may_claim_and_is_shown_it(segments: MadeUpSegments) -> None:
    inside, outside = crowd(2)
    segments.put(inside, VIP, "sgother")
    made = for_members_of(VIP, "loyal")
    assert (claimed(inside, made), claimed(outside, made)) == ("ok", "not_for_you")
    assert (offered_to(inside, made), offered_to(outside, made)) == ([made.template_id], [])
    segments.put(outside, LAPSED)
    assert claimed(outside, made) == "not_for_you"
    segments.put(outside, VIP)
    assert claimed(outside, made) == "ok"


def test_every_way_of_getting_one_asks(segments: MadeUpSegments) -> None:
    inside, outside, sharer = crowd(3)
    segments.put(inside, VIP)
    made = for_members_of(VIP, how=["claim", "code", "share", "purchase"], limit_per_member=9, share_limit=5)
    code, another = codes.make(made.template_id, 2).codes
    token = sharing.share(sharer, made.template_id).token
    for who, outcome in ((outside, "not_for_you"), (inside, "Held")):
        ways: list[Callable[[], Any]] = [
            lambda who=who: centre.claim(who, made.template_id),  # type: ignore[misc]
            lambda who=who: codes.redeem(who, code if who == inside else another),  # type: ignore[misc]
            lambda who=who: sharing.claim(who, made.template_id, token),  # type: ignore[misc]
            lambda who=who: give(made, who, "purchase", ("o1",)).held,  # type: ignore[misc]
        ]
        answers = [told(way) for way in ways]
        assert [one if isinstance(one, str) else type(one).__name__ for one in answers] == [outcome] * 4
    assert len(coupons_of(inside)) == 4


def test_who_wants_no_offers_by_what_they_did_is_in_no_segment(segments: MadeUpSegments) -> None:
    somebody = member(personalised=False)
    segments.put(somebody, VIP)
    assert claimed(somebody, for_members_of(VIP)) == "not_for_you"
    assert claimed(somebody, for_members_of("new")) == "not_for_you"


def test_life_cycle_goes_by_the_merchants_bounds(bounds: Callable[[LifeCycleRules], None]) -> None:
    somebody = member(joined_at=clock.now() - timedelta(days=10))
    made = for_members_of("new", limit_per_member=5)
    assert claimed(somebody, made) == "ok"
    bounds(LifeCycleRules(new_days=9))
    assert claimed(somebody, made) == "not_for_you"
    assert offered_to(somebody, made) == []


def test_only_a_custom_segment_is_asked_about_and_then_by_one_key_more(
    segments: MadeUpSegments, one_instant: None
) -> None:
    somebody = member()
    segments.put(somebody, VIP)
    read: list[int] = []
    for segment_ids in ([], ["new"], [VIP]):
        made = for_members_of(*segment_ids)
        template_queries.remembered(made.template_id)
        LIFE_CYCLE.current()
        definitions.book()
        with boundary() as outside:
            centre.claim(somebody, made.template_id)
        assert outside.calls == ["BatchGetItem", "TransactWriteItems"]
        read.append(len(segments.asked))
    assert read == [0, 0, 1]


def test_the_centre_asks_once_for_all_templates(segments: MadeUpSegments) -> None:
    somebody = member()
    segments.put(somebody, VIP, LAPSED)
    made = [for_members_of(VIP), for_members_of(LAPSED, "loyal"), for_members_of("silent"), template()]
    segments.asked.clear()
    assert sorted(offered_to(somebody, *made)) == sorted(made[at].template_id for at in (0, 1, 3))
    ((who, asked),) = segments.asked
    assert (who, set(asked) >= {VIP, LAPSED}) == (somebody, True)


def test_a_template_for_a_segment_that_there_is_not_is_refused(segments: MadeUpSegments) -> None:
    made = for_members_of(VIP)
    for refused in (
        lambda: template(audience={"segments": ["new", "sgnone"]}),
        lambda: templates.change(
            made.template_id,
            msgspec.convert(coupon_template(audience={"segments": ["sgnone"]}), TemplateInput),
        ),
    ):
        with pytest.raises(MallError) as refusal:
            refused()
        assert [(one.field, one.reason.code) for one in refusal.value.errors] == [("audience.segments", "no_such")]
    template(audience={"segments": ["new"]})


def test_whoever_deletes_a_segment_finds_the_templates_that_name_it(
    segments: MadeUpSegments, advance: Callable[[float], None]
) -> None:
    naming = f"sg{secrets.token_hex(8)}"
    segments.known.add(naming)
    until = clock.stamp(clock.now() + timedelta(hours=1))
    made = [
        for_members_of(naming, name="一"), for_members_of(VIP, naming, name="二", publish=False),
        for_members_of(naming, name="三", valid={"until": until}), for_members_of(VIP),
    ]  # fmt: skip
    assert sorted(template_queries.naming_segment(naming)) == sorted((one.template_id, one.name) for one in made[:3])
    advance(3601)
    assert sorted(template_queries.naming_segment(naming)) == sorted((one.template_id, one.name) for one in made[:2])
    assert template_queries.naming_segment("sgnobody") == []


# Grants


def test_a_grant_goes_to_who_is_in_the_segments_of_both(
    segments: MadeUpSegments, no_jobs: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    shorten_steps(monkeypatch)
    people = crowd(8)
    for number, each in enumerate(people):
        segments.put(each, *([VIP] if number % 2 else []), *([LAPSED] if number % 4 == 3 else []))
    made = for_members_of(VIP, how=["grant"])
    assert counts(ended(made, granted(made, members=people))) == ("done", 8, 4, 4)
    assert given_by(made, people) == people[1::2]


def test_a_grant_for_a_segment_that_there_is_not_is_refused(segments: MadeUpSegments, lists: MadeUpLists) -> None:
    made = template(how=["grant"])
    for asked, field in (
        ({"audience": {"segments": ["sgnone"]}}, "audience.segments"), ({"audience_id": "a404"}, "audience_id"),
    ):  # fmt: skip
        with pytest.raises(MallError) as refusal:
            granted(made, **asked)
        assert [(one.field, one.reason.code) for one in refusal.value.errors] == [(field, "no_such")]


def test_the_list_of_an_audience_is_gone_through_page_by_page(
    lists: MadeUpLists, no_jobs: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who was erased since is skipped, and so is who is listed twice."""
    shorten_steps(monkeypatch)
    people = crowd(10)
    lists.members["a1"] = [*people[:4], "m-erased", *people[4:], people[0]]
    made = template(how=["grant"], total=100)
    grant = granted(made, audience_id="a1")
    assert (grant.state, grant.total, grant.done) == ("running", 12, 0)
    assert progress(grant).total == 12
    assert counts(ended(made, grant)) == ("done", 12, 10, 2)
    assert progress(grant).total == 12
    assert Counter(given_by(made, people)) == Counter(people)
    with pytest.raises(MallError) as refusal:
        added_to(made, grant.grant_id)
    assert [one.reason.code for one in refusal.value.errors] == ["grant_without_list"]


def added_to(made: Template, grant_id: str) -> None:
    from chalicelib.commerce.coupons.bulk_issue import service as bulk_issue
    from chalicelib.commerce.coupons.bulk_issue.inputs import GrantMoreInput

    bulk_issue.add(made.template_id, grant_id, "tester", secrets.token_hex(8), GrantMoreInput(members=["m1"]))


def test_an_audience_that_loses_members_meanwhile_or_has_none_is_done_all_the_same(
    lists: MadeUpLists, no_jobs: None
) -> None:
    people = crowd(3)
    lists.members |= {"a1": [*people, "m1", "m2"], "empty": []}
    made = template(how=["grant"], total=100)
    grant, none = granted(made, audience_id="a1"), granted(made, audience_id="empty")
    lists.members["a1"] = people
    assert counts(ended(made, grant)) == ("done", 3, 3, 0)
    assert (progress(grant).total, progress(none).total) == (3, 0)
    assert counts(progress(none)) == ("done", 0, 0, 0)


def test_a_grant_to_an_audience_ends_where_coupons_run_out(
    lists: MadeUpLists, no_jobs: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    shorten_steps(monkeypatch)
    people = crowd(6)
    lists.members["a1"] = people
    made = template(how=["grant"], total=4)
    grant = granted(made, audience_id="a1")
    assert counts(ended(made, grant)) == ("sold_out", 4, 4, 0)
    assert given_by(made, people) == people[:4]


@pytest.mark.parametrize(
    "asked",
    [
        {},
        {"members": ["m1"], "audience_id": "a1"},
        {"audience": {}, "audience_id": "a1"},
        {"audience_id": "a1", "all": True},
    ],
)
def test_a_grant_is_to_one_of_four(lists: MadeUpLists, asked: dict[str, Any]) -> None:
    lists.members["a1"] = ["m1"]
    with pytest.raises(MallError) as refusal:
        granted(template(how=["grant"]), **asked)
    assert [one.reason.code for one in refusal.value.errors] == ["who_gets_coupons"]
