"""What a rule can say: every refusal names its place in both languages, and what is read is what was written."""

from __future__ import annotations

from random import Random
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.core.errors import MallError
from chalicelib.growth.segments.language.rules import (
    DEPTH_MAX,
    INSTANTS_MAX,
    LEAVES_MAX,
    Happened,
    Purchases,
    leaves_of,
    matches,
    parsed,
)
from chalicelib.growth.segments.refusals import FIELDS
from tests.support.languages import CHINESE
from tests.support.random_rules import definitions, rule

PHONE = {"profile": "phone", "op": "exists"}
BOUGHT = {"purchases": "count", "op": ">=", "value": 1}
SEEN = {"event": "product_view", "within_days": 7, "op": ">=", "count": 1}


def nested(depth: int) -> Any:
    """A condition under so many levels, itself one of them."""
    return PHONE if depth == 1 else {"not": nested(depth - 1)}


REFUSED: dict[str, tuple[Any, str, str, str]] = {
    "no object": ([], "malformed", "wrong_kind", "rule"),
    "nothing": ({}, "malformed", "required", "rule"),
    "an unknown word": ({"colour": "red"}, "malformed", "unknown_field", "rule.colour"),
    "a word too much": (PHONE | {"days": 1}, "malformed", "unknown_field", "rule.days"),
    "two conditions in one": ({"tag": "a", "segment": "b"}, "malformed", "unknown_field", "rule.segment"),
    "nothing to join": ({"all": []}, "malformed", "empty", "rule.all"),
    "deep within": ({"any": [PHONE, {"not": {"all": [3]}}]}, "malformed", "wrong_kind", "rule.any[1].not.all[0]"),
    "a list of texts": ({"all": ["x"]}, "malformed", "wrong_kind", "rule.all[0]"),
    "no comparison": ({"days_since": "joined", "days": 1}, "malformed", "required", "rule.op"),
    "no such comparison": ({"not": BOUGHT | {"op": ">"}}, "malformed", "not_a_choice", "rule.not.op"),
    "no such segment of life": ({"life_cycle": ["old"]}, "malformed", "not_a_choice", "rule.life_cycle[0]"),
    "a window too long": (BOUGHT | {"within_days": 401}, "malformed", "at_most", "rule.within_days"),
    "a window of nothing": (BOUGHT | {"within_days": 0}, "malformed", "at_least", "rule.within_days"),
    "an event of long ago": (SEEN | {"within_days": 91}, "malformed", "at_most", "rule.within_days"),
    "two windows": (SEEN | {"within_hours": 3}, "malformed", "one_window", "rule.within_days"),
    "too many times": (SEEN | {"count": INSTANTS_MAX + 1}, "malformed", "at_most", "rule.count"),
    "between one number": (BOUGHT | {"op": "between"}, "malformed", "between_two", "rule.value"),
    "two numbers": (BOUGHT | {"value": [1, 2]}, "malformed", "between_two", "rule.value"),
    "two parts": (BOUGHT | {"of": {"role": "a", "product_id": "b"}}, "malformed", "one_part", "rule.of"),
    "no part": ({"any": [BOUGHT | {"of": {}}]}, "malformed", "one_part", "rule.any[0].of"),
    "no source": ({"source": {}, "touch": "first"}, "malformed", "one_part", "rule.source"),
    "a share of all": ({"random": {"salt": "a", "percent": 100}}, "malformed", "at_most", "rule.random.percent"),
    "too deep": (nested(DEPTH_MAX + 1), "rule_too_large", "rule_depth", "rule" + ".not" * DEPTH_MAX),
    "too many": ({"any": [{"all": [PHONE] * 16}, {"all": [PHONE] * 17}]}, "rule_too_large", "rule_leaves", "rule"),
}  # fmt: skip


@pytest.mark.parametrize("what", REFUSED)
def test_what_is_no_rule_is_refused_at_its_place_in_both_languages(what: str) -> None:
    raw, code, reason, place = REFUSED[what]
    with pytest.raises(MallError) as refused:
        parsed(raw)
    assert refused.value.code == code
    assert [(error.reason.code, error.field) for error in refused.value.errors] == [(reason, place)]
    (error,) = refused.value.errors
    assert CHINESE.search(error.text("zh", FIELDS)) and not CHINESE.search(error.text("en", FIELDS))
    assert "{" not in error.text("zh", FIELDS) + error.text("en", FIELDS)


def test_an_event_without_a_window_is_refused() -> None:
    with pytest.raises(MallError) as refused:
        parsed({word: value for word, value in SEEN.items() if word != "within_days"})
    assert [error.reason.code for error in refused.value.errors] == ["one_window"]


def test_the_bounds_themselves_are_rules() -> None:
    parsed(nested(DEPTH_MAX))
    assert sum(1 for _ in leaves_of(parsed({"any": [PHONE] * LEAVES_MAX}))) == LEAVES_MAX
    parsed(BOUGHT | {"within_days": 400})
    most = parsed(SEEN | {"within_days": 90, "op": "==", "count": INSTANTS_MAX})
    assert isinstance(most, Happened) and most.kept == INSTANTS_MAX + 1


@given(st.integers(0, 10**9))
def test_what_is_read_is_what_was_written(seed: int) -> None:
    before = definitions(Random(seed), 4)
    raw = rule(Random(seed), sorted(before, key=lambda one: str(one["id"])))
    assert msgspec.json.decode(msgspec.json.encode(parsed(raw))) == raw
    assert all(path.startswith("rule") for path, _ in leaves_of(parsed(raw)))


def test_leaves_are_listed_with_their_places() -> None:
    found = leaves_of(parsed({"all": [PHONE, {"not": BOUGHT}, {"any": [SEEN]}]}))
    assert [path for path, _ in found] == ["rule.all[0]", "rule.all[1].not", "rule.all[2].any[0]"]


def test_an_event_is_counted_by_its_name_and_by_all_the_properties_that_are_asked_for() -> None:
    leaf = parsed(SEEN | {"where": {"product_id": "p1", "results": 1}})
    assert isinstance(leaf, Happened)
    assert matches(leaf, "product_view", {"product_id": "p1", "results": 1, "from": "home"})
    assert not matches(leaf, "search", {"product_id": "p1", "results": 1})
    assert not matches(leaf, "product_view", {"product_id": "p1"})
    assert not matches(leaf, "product_view", {"product_id": "p1", "results": True})


def test_what_is_counted_is_named_by_event_and_properties_and_by_nothing_else() -> None:
    def key(**more: Any) -> str:
        leaf = parsed(SEEN | more)
        assert isinstance(leaf, Happened)
        return leaf.key

    assert key() == key(count=5, op="<=", within_days=3) != key(event="search")
    assert key(where={"a": 1, "b": 2}) == key(where={"b": 2, "a": 1})
    assert len({key(), key(where={"a": 1}), key(where={"a": True}), key(where={"a": "1"})}) == 4


@pytest.mark.parametrize(("op", "kept"), [(">=", 3), ("<", 3), ("<=", 4), ("==", 4)])
def test_so_many_instants_are_kept_as_decide(op: str, kept: int) -> None:
    leaf = parsed(SEEN | {"op": op, "count": 3})
    assert isinstance(leaf, Happened) and leaf.kept == kept


def test_a_part_of_the_goods_has_a_name_of_its_own() -> None:
    def part(**of: str) -> str:
        leaf = parsed(BOUGHT | ({"of": of} if of else {}))
        assert isinstance(leaf, Purchases)
        return leaf.part

    assert [part(), part(category_id="x"), part(product_id="x"), part(role="x")] == ["", "c:x", "p:x", "r:x"]
