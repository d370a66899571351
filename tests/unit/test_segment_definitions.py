"""The book: in which order definitions are decided, what they need, and who can lead into them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from itertools import permutations
from typing import Any

import pytest

from chalicelib.core.errors import MallError
from chalicelib.customers.members.rules import LifeCycleRules
from chalicelib.growth.segments.definitions.rules import (
    FENCE_MS,
    LIFE_CYCLE,
    PARTS_MAX,
    RINGS_MAX,
    TEMPLATES_MAX,
    Book,
    Definition,
    book_of,
    check_needs,
    needs_of,
    unread,
    users_of,
)
from chalicelib.growth.segments.language.rules import parsed
from chalicelib.growth.segments.traits.rules import ms

UNREADABLE = {"weather": "rain"}
MADE = datetime(2026, 11, 1, tzinfo=UTC)
EVENT = {"event": "search", "within_days": 7, "op": ">=", "count": 1}
BOUGHT = {"purchases": "count", "op": ">=", "value": 1}
NEW = {"life_cycle": ["new"]}


def segment(segment_id: str, rule: Any, **more: Any) -> Definition:
    fields = {"generation": 1, "made_at": MADE, "changed_at": MADE} | more
    return Definition(segment_id=segment_id, name=segment_id, rule=rule, **fields)


def tag(name: str, rule: Any = None, **more: Any) -> Definition:
    return segment(f"tg{name}", rule, tag=name, **more)


def book(*definitions: Definition, built: int = 1) -> Book:
    return book_of(definitions, 1, built, LifeCycleRules())


def proven(rule: Any, *others: Definition) -> bool:
    return book(*others, segment("sg", rule)).entries["sg"].proven


def test_whatever_is_named_is_decided_before_who_names_it() -> None:
    made = [
        segment("sga", {"all": [{"segment": "sgb"}, {"tag": "x"}]}),
        segment("sgb", {"not": {"tag": "y"}}),
        tag("x", {"segment": "sgb"}),
        tag("y", BOUGHT),
    ]
    for one in permutations(made):
        order = list(book(*one).entries)
        assert order[:5] == list(LIFE_CYCLE)
        assert order.index("tgy") < order.index("sgb") < order.index("tgx") < order.index("sga")


@pytest.mark.parametrize(
    "made",
    [
        [segment("sga", {"not": {"segment": "sga"}})],
        [segment("sga", {"segment": "sgb"}), segment("sgb", {"any": [NEW, {"segment": "sga"}]})],
        [tag("x", {"not": {"tag": "x"}})],
        [tag("x", {"segment": "sga"}), segment("sga", {"tag": "x", "within_days": 1})],
    ],
    ids=["itself", "two", "a tag itself", "a tag and a segment"],
)
def test_rules_that_name_each_other_in_a_ring_are_refused_naming_all(made: list[Definition]) -> None:
    with pytest.raises(MallError) as refused:
        book(segment("sgz", NEW), *made)
    assert refused.value.code == "segment_cycle"
    (error,) = refused.value.errors
    assert error.field == "rule" and set(error.params["segments"]) == {one.segment_id for one in made}


def test_what_is_not_there_is_no_ring() -> None:
    assert "sga" in book(segment("sga", {"any": [{"segment": "gone"}, {"tag": "gone"}]})).entries


def test_the_most_instants_that_any_rule_asks_for_are_needed() -> None:
    needs = needs_of([
        parsed(EVENT), parsed({"not": EVENT | {"op": "==", "count": 4}}),
        parsed(EVENT | {"count": 2, "within_days": 90}),
        parsed({"all": [BOUGHT, BOUGHT | {"of": {"role": "gift"}}, {"coupon": "ct1", "state": "unused"}]}),
    ])  # fmt: skip
    assert [leaf.kept for leaf in needs.rings.values()] == [5]
    assert (needs.parts, needs.templates) == ({"r:gift"}, {"ct1"})
    assert not needs_of([parsed(BOUGHT), parsed(NEW)])


@pytest.mark.parametrize(
    ("rule", "most"),
    [
        (lambda at: EVENT | {"where": {"page": at}}, RINGS_MAX),
        (lambda at: BOUGHT | {"of": {"product_id": f"p{at}"}}, PARTS_MAX),
        (lambda at: {"coupon": f"ct{at}", "state": "unused"}, TEMPLATES_MAX),
    ],
    ids=["events", "parts", "templates"],
)
def test_all_rules_together_need_no_more_than_a_document_has_room_for(rule: Callable[[int], Any], most: int) -> None:
    check_needs(book(*(segment(f"sg{at}", rule(at)) for at in range(most))))
    with pytest.raises(MallError) as refused:
        check_needs(book(*(segment(f"sg{at}", rule(at)) for at in range(most + 1))))
    assert refused.value.code == "rule_too_large"


def test_a_definition_is_being_built_until_everybody_was_looked_at_and_begins_behind_the_fence() -> None:
    later = datetime(2026, 11, 2, tzinfo=UTC)
    made = [segment("sga", EVENT), segment("sgb", EVENT, generation=3, changed_at=later)]
    found = book(*made, built=2)
    assert [found.entries[one].building for one in ("sga", "sgb", "new")] == [False, True, False]
    assert found.opens_at == ms(later) + FENCE_MS
    assert book(*made, built=3).opens_at == 0


def test_what_is_replaced_takes_along_whatever_names_it_and_nothing_else() -> None:
    made = [
        segment("sga", EVENT, generation=3, version=2), segment("sgb", {"not": {"segment": "sga"}}),
        tag("x", {"segment": "sgb"}), segment("sgc", {"any": [NEW, {"tag": "x"}]}),
        segment("sgd", NEW, generation=3), segment("sge", {"segment": "sgd"}, version=9), segment("sgf", NEW),
    ]  # fmt: skip
    found = book(*made, built=2).entries
    assert {one for one, entry in found.items() if entry.building} == {"sga", "sgd"}
    assert {one for one, entry in found.items() if entry.settling} == {"sga", "sgb", "tgx", "sgc", "sgd", "sge"}
    assert {one for one, entry in found.items() if entry.replaced} == {"sga", "sgb", "tgx", "sgc"}
    assert not any(entry.settling or entry.replaced for entry in book(*made, built=3).entries.values())


def test_who_names_a_definition_is_known() -> None:
    made = [tag("x"), segment("sga", {"tag": "x"}), segment("sgb", {"not": {"segment": "sga"}})]
    found = book(*made)
    assert [users_of(found, one) for one in made] == [["sga"], ["sgb"], []]
    assert (found.tag_ids, found.named("x"), found.named("y")) == ({"tgx"}, found.entries["tgx"], None)


@pytest.mark.parametrize(
    ("rule", "is_proven"),
    [
        (EVENT, False), (BOUGHT, True), (NEW, True), ({"coupon": "ct", "state": "unused"}, True),
        ({"distributor": "active"}, True), ({"profile": "phone", "op": "exists"}, True),
        ({"profile": "nickname", "op": "exists"}, False), ({"not": {"profile": "phone", "op": "exists"}}, False),
        ({"days_since": "last_purchase", "op": ">", "days": 3}, True),
        ({"days_since": "last_seen", "op": ">", "days": 3}, False),
        ({"days_since": "birthday", "op": "<=", "days": 3}, False),
        ({"source": {"channel": "c"}, "touch": "first"}, False),
        ({"all": [EVENT, BOUGHT]}, True), ({"any": [EVENT, BOUGHT]}, False), ({"any": [NEW, BOUGHT]}, True),
        # De Morgan: what leads out of the inside leads into the outside.
        ({"not": {"all": [EVENT, BOUGHT]}}, False), ({"not": {"any": [EVENT, BOUGHT]}}, True),
        ({"not": {"not": {"any": [EVENT, BOUGHT]}}}, False),
        ({"not": {"all": [NEW, {"not": BOUGHT}]}}, True),
    ],
    ids=str,
)  # fmt: skip
def test_clients_alone_lead_nobody_into_what_is_proven(rule: Any, is_proven: bool) -> None:
    assert proven(rule) is is_proven


def test_what_a_rule_names_is_proven_by_what_can_lead_into_it_or_out_of_it() -> None:
    both = segment("sga", {"all": [EVENT, BOUGHT]})
    assert proven({"segment": "sga"}, both)
    assert not proven({"not": {"segment": "sga"}}, both)
    either = segment("sga", {"any": [EVENT, BOUGHT]})
    assert not proven({"segment": "sga"}, either)
    assert proven({"not": {"segment": "sga"}}, either)
    assert not proven({"not": {"not": {"segment": "sga"}}}, either)
    assert not proven({"segment": "gone"})


def test_a_tag_is_proven_by_hand_or_as_its_rule_is_and_its_absence_never() -> None:
    assert proven({"tag": "x"}, tag("x"))
    assert proven({"tag": "x"}, tag("x", BOUGHT))
    assert not proven({"tag": "x"}, tag("x", EVENT))
    assert not proven({"not": {"tag": "x"}}, tag("x"))
    assert not proven({"segment": "sga"}, tag("x"), segment("sga", {"not": {"tag": "x"}}))
    assert proven({"all": [NEW, {"not": {"tag": "x"}}]}, tag("x"))


def test_who_asks_for_behaviour_by_what_is_named_asks_for_it_too() -> None:
    entries = book(
        tag("x", EVENT), tag("hand"), segment("sga", {"tag": "x"}), segment("sgb", {"not": {"segment": "sga"}}),
        segment("sgc", {"any": [{"tag": "hand"}, NEW, {"days_since": "joined", "op": ">", "days": 1}]}),
    ).entries  # fmt: skip
    found = {one: (entries[one].by_itself, entries[one].behavioural) for one in ("tgx", "tghand", "sga", "sgb", "sgc")}
    assert found == {
        "tgx": (True, True), "tghand": (False, False), "sga": (False, True), "sgb": (False, True),
        "sgc": (False, False),
    }  # fmt: skip


def test_what_cannot_be_read_is_not_decided_nor_what_names_it() -> None:
    found = book(
        segment("sga", UNREADABLE),
        segment("sgb", {"not": {"segment": "sga"}}),
        tag("x", {"segment": "sgb"}),
        segment("sgc", {"any": [BOUGHT, {"tag": "x"}]}),
        segment("sgd", BOUGHT),
    )
    assert [one for one, entry in found.entries.items() if entry.undecided] == ["sga", "sgb", "tgx", "sgc"]
    assert found.unreadable == ["sga"]
    assert [one for one in ("sga", "sgb", "tgx", "sgc", "sgd") if found.entries[one].proven] == ["sgd"]
    # What is read is known of members all the same.
    assert found.entries["sgc"].needs == needs_of([parsed(BOUGHT)])


def test_what_cannot_be_read_may_name_anything() -> None:
    made = segment("sgd", NEW)
    assert users_of(book(made, segment("sga", UNREADABLE), segment("sgb", BOUGHT)), made) == ["sga"]


@pytest.mark.parametrize(
    ("known", "name"),
    [({}, "tgx"), ({"tag": 3, "name": None}, "tgx"), ({"tag": "vip", "name": "vip", "version": "one"}, "vip")],
)
def test_of_a_definition_that_cannot_be_read_there_is_what_can_be(known: dict[str, Any], name: str) -> None:
    found = unread("tgx", known | {"group": "g", "segment_id": "other"})
    assert (found.segment_id, found.tag, found.name, found.group) == ("tgx", name, name, "g")
    assert book(found).unreadable == ["tgx"]
    assert unread("sgx", {"tag": 1}).tag == ""
