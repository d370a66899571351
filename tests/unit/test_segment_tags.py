"""Tags by hand and by rule, for how long they last; and who does not want to be chosen by what they did."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from chalicelib.customers.members.rules import LifeCycleRules, Profile
from chalicelib.growth.segments.assessment.rules import advance, assess, next_look, viewed
from chalicelib.growth.segments.birthdays.queries import around
from chalicelib.growth.segments.definitions.rules import Book, Definition, book_of
from chalicelib.growth.segments.evaluation.checks import Law, is_inside
from chalicelib.growth.segments.evaluation.checks import Person as Audited
from chalicelib.growth.segments.explaining.rules import Why, explained
from chalicelib.growth.segments.traits.rules import DAY_MS, Person, Tag, Traits, with_instants, with_tag, without_tags

MADE = datetime(2026, 11, 1, tzinfo=UTC)
NOW = 1_793_500_000_123
SEARCHED = {"event": "search", "within_days": 7, "op": ">=", "count": 1}
PHONE = {"profile": "phone", "op": "exists"}


def segment(segment_id: str, rule: Any, **more: Any) -> Definition:
    fields = {"generation": 1, "made_at": MADE, "changed_at": MADE} | more
    return Definition(segment_id=segment_id, name=segment_id, rule=rule, **fields)


def book(*definitions: Definition) -> Book:
    return book_of(definitions, 1, 1, LifeCycleRules())


def member(**more: Any) -> Traits:
    return Traits(member_id="m", person=Person(joined_at=NOW - 5 * DAY_MS, **more), generation=1)


def by_hand(until: int = 0) -> Tag:
    return Tag(of="tgx", at=NOW, by="operator:ann", why="asked for it", until=until)


def searched(traits: Traits, of: Book, at: int = NOW) -> Traits:
    (key,) = of.needs.rings
    return with_instants(traits, key, [at], 1)


def at(of: Book, traits: Traits, instant: int, due: int | None = NOW) -> set[str]:
    """The tags and own segments at an instant, of who was looked at last at `due`."""
    return set(advance(of, traits, due, instant, around).traits.inside) - {"new", "silent"}


def test_a_tag_by_rule_is_there_as_long_as_its_rule_holds() -> None:
    of = book(segment("tgx", SEARCHED, tag="x"))
    found = assess(of, searched(member(), of), NOW, around)
    assert (found.traits.tags["x"].by, found.traits.tags["x"].at) == ("rule", NOW)
    assert (found.traits.tags["x"].why, found.traits.tags["x"].evidence) == ("tgx|1", {"search": 1})
    assert found.due == NOW + 7 * DAY_MS + 1
    assert at(of, found.traits, found.due - 1, found.due) == {"tgx"}
    assert at(of, found.traits, found.due, found.due) == set()


def test_a_tag_by_rule_stays_for_its_days_after_the_rule_held_and_not_a_millisecond_longer() -> None:
    of = book(segment("tgx", SEARCHED, tag="x", ttl_days=3), segment("sga", {"tag": "x", "within_days": 8}))
    traits = searched(member(), of)
    ends = NOW + 7 * DAY_MS + 1 + 3 * DAY_MS
    assert at(of, traits, NOW + 8 * DAY_MS) == {"tgx", "sga"}
    assert at(of, traits, NOW + 8 * DAY_MS + 1) == {"tgx"}
    assert at(of, traits, ends - 1) == {"tgx"}
    assert at(of, traits, ends) == set()
    lingering = advance(of, traits, NOW, ends - 1, around)
    assert lingering.due == ends
    again = assess(of, searched(lingering.traits, of, ends - 1), ends - 1, around).traits.tags["x"]
    assert (again.at, again.until) == (NOW, 0)


def test_a_tag_by_hand_lasts_as_it_was_given_whatever_its_rule_says() -> None:
    of = book(segment("tgx", SEARCHED, tag="x", ttl_days=3))
    given = with_tag(searched(member(), of), "x", by_hand(NOW + 3 * DAY_MS))
    assert advance(of, given, NOW, NOW + 3 * DAY_MS - 1, around).traits.tags["x"].by == "operator:ann"
    after = advance(of, given, NOW, NOW + 3 * DAY_MS, around).traits
    assert (after.tags["x"].by, after.tags["x"].at) == ("rule", NOW + 3 * DAY_MS)
    assert after.inside["tgx"] == NOW, "they had it all the time"
    for_ever = with_tag(member(), "x", by_hand())
    assert at(of, for_ever, NOW + 4000 * DAY_MS) == {"tgx"}


def test_what_an_operator_takes_away_the_rule_gives_again_and_what_the_member_does_it_never_does() -> None:
    of = book(segment("tgx", PHONE, tag="x"))
    traits = assess(of, member(has=["phone"]), NOW, around).traits
    assert at(of, without_tags(traits, {"x"}, refused=False), NOW + 1) == {"tgx"}
    refused = without_tags(traits, {"x"}, refused=True)
    assert at(of, refused, NOW + 1) == set() and refused.refused == ["x"]
    given = with_tag(refused, "x", by_hand())
    assert at(of, given, NOW + 1) == {"tgx"} and given.refused == []


def test_a_tag_that_is_defined_no_more_or_anew_is_had_by_nobody() -> None:
    given = with_tag(member(), "x", by_hand())
    assert at(book(segment("sga", {"tag": "x"})), given, NOW) == set()
    assert at(book(segment("sga", {"tag": "x"}), segment("tgother", None, tag="x")), given, NOW) == set()


BEHAVIOUR: dict[str, Any] = {
    "event": {"not": SEARCHED}, "last seen": {"not": {"days_since": "last_seen", "op": "<=", "days": 1}},
    "first purchase": {"not": {"days_since": "first_purchase", "op": "<=", "days": 1}},
    "last purchase": {"any": [PHONE, {"days_since": "last_purchase", "op": "<=", "days": 1}]},
    "purchases": {"purchases": "count", "op": "==", "value": 0},
    "source": {"not": {"source": {"channel": "c"}, "touch": "first"}},
}  # fmt: skip


@pytest.mark.parametrize("what", BEHAVIOUR)
def test_a_rule_about_behaviour_is_false_as_a_whole_for_who_does_not_want_that(what: str) -> None:
    of = book(segment("sga", BEHAVIOUR[what]), segment("sgb", {"not": {"segment": "sga"}}), segment("sgc", PHONE))
    assert at(of, member(has=["phone"]), NOW) == {"sga", "sgc"}
    traits = member(has=["phone"], personalised=False)
    found = assess(of, traits, NOW, around).traits.inside
    assert set(found) == {"sgc", "new"}, "neither it, nor what denies it; the life cycle stays"
    assert viewed(of, traits, NOW, around).withheld == {"sga", "sgb"}


def test_a_tag_by_such_a_rule_goes_at_once_and_nobody_is_chosen_by_its_absence() -> None:
    of = book(
        segment("tgx", SEARCHED, tag="x", ttl_days=30), segment("sga", {"not": {"tag": "x"}}),
        segment("sgb", {"any": [{"tag": "x"}, PHONE]}), segment("sgc", {"segment": "sgb"}),
    )  # fmt: skip
    has = assess(of, searched(member(has=["phone"]), of), NOW, around).traits
    assert set(has.inside) - {"new"} == {"tgx", "sgb", "sgc"}
    hidden = msgspec.structs.replace(has, person=member(has=["phone"], personalised=False).person)
    assert at(of, hidden, NOW) == set()
    given = with_tag(hidden, "x", by_hand(NOW + DAY_MS))
    found = assess(of, given, NOW, around)
    assert set(found.traits.inside) - {"new"} == {"tgx", "sgb", "sgc"}, "an operator knows why"
    assert found.due == NOW + DAY_MS, "though the phone stays"
    assert at(of, given, NOW + DAY_MS) == set()


def test_a_look_is_kept_where_it_is_early_enough_and_not_past() -> None:
    assert next_look(None, None, 5) is None
    assert next_look(9, None, 5) == next_look(9, 9, 5) == next_look(9, 12, 5) == 9
    assert next_look(9, 8, 5) == next_look(None, 8, 5) == 8
    assert next_look(5, 8, 5) == next_look(4, 8, 5) == 8
    assert next_look(4, None, 5) is None


def test_what_never_was_is_not_made_up_after_a_change_that_came_before_the_pass() -> None:
    """Their window passed a day before they left a phone: the tag would be theirs only had both been at one time."""
    of = book(
        segment("tgx", {"all": [PHONE, SEARCHED]}, tag="x", ttl_days=30),
        segment("sga", {"days_since": "joined", "op": "<=", "days": 6}),
    )  # fmt: skip
    before = assess(of, searched(member(), of, NOW), NOW, around)
    assert before.due == NOW + DAY_MS + 1
    change = NOW + 8 * DAY_MS
    then = advance(of, before.traits, before.due, change, around).traits
    with_phone = msgspec.structs.replace(then, person=member(has=["phone"]).person)
    after = assess(of, with_phone, change, around)
    due = next_look(before.due, after.due, change)
    assert "x" not in advance(of, after.traits, due, change + DAY_MS, around).traits.tags


def test_an_explanation_says_of_every_part_what_is_decided_of_it() -> None:
    rule = {"all": [{"any": [PHONE, SEARCHED]}, {"not": {"segment": "sgb"}}, {"life_cycle": ["new"]}, {"tag": "x"}]}
    of = book(
        segment("sga", rule),
        segment("sgb", {"days_since": "joined", "op": ">", "days": 9}),
        segment("tgx", None, tag="x"),
    )
    traits = with_tag(searched(member(), of), "x", by_hand())
    view = viewed(of, traits, NOW, around)
    entry = of.entries["sga"]
    assert entry.rule is not None
    why = explained(entry.rule, view)
    assert (why.rule, why.holds) == ("all", True)
    assert [(part.holds, part.rule if isinstance(part.rule, str) else "") for part in why.parts] == [
        (True, "any"), (True, "not"), (True, ""), (True, ""),
    ]  # fmt: skip
    either = why.parts[0]
    assert [part.holds for part in either.parts] == [False, True]
    assert either.until == either.parts[1].until
    assert why.parts[3].known == {"set_at": datetime.fromtimestamp(NOW // 1000, UTC).replace(microsecond=123_000),
                                  "by": "operator:ann", "why": "asked for it"}  # fmt: skip
    assert msgspec.json.decode(msgspec.json.encode(why), type=Why).holds


def test_the_audit_withholds_the_same_through_tags() -> None:
    made = [segment("tgx", SEARCHED, tag="x"), segment("sga", {"not": {"tag": "x"}}), segment("sgb", {"tag": "x"})]
    law = Law(definitions={one.segment_id: one for one in made}, bounds=LifeCycleRules())
    profile = Profile(member_id="m", openid="o", joined_at=MADE, personalised=False)
    for tags in ({}, {"x": by_hand()}, {"x": by_hand(NOW)}):
        traits = msgspec.structs.replace(member(personalised=False), tags=tags)
        audited = {one.segment_id for one in made if is_inside(one, Audited(profile=profile, tags=tags), law, NOW)}
        assert audited == at(book(*made), traits, NOW)
