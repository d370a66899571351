"""The category tree: where a category stands, what is below it, and what a change of it must respect."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chalicelib.commerce.catalogue.categories.rules import Forest, code_of, in_use, no_such_category
from chalicelib.commerce.catalogue.refusals import BELOW_ITSELF, CATEGORY_IN_USE, TOO_DEEP, TOO_MANY_CATEGORIES
from chalicelib.commerce.catalogue.rules import CATEGORIES_MAX, CATEGORY_DEPTH_MAX, Category
from chalicelib.core.errors import FieldError, MallError
from chalicelib.core.refusals import NO_SUCH

IDS = "abcdefg"
Parents = Mapping[str, str | None]


def category(name: str, parent: str | None = None, sort: int = 0, code: str | None = None) -> Category:
    return Category(category_id=name, name=name, parent_id=parent, sort=sort, code=code)


def forest(parents: Parents) -> Forest:
    return Forest(category(name, parent) for name, parent in parents.items())


def as_parents(of: Forest) -> dict[str, str | None]:
    return {name: each.parent_id for name, each in of.by_id.items()}


def upwards(parents: Parents, name: str | None) -> list[str]:
    """From the category to its root; for trees without a cycle."""
    return [] if name is None or name not in parents else [name, *upwards(parents, parents[name])]


def below(parents: Parents, name: str) -> set[str]:
    return {each for each in parents if name in upwards(parents, each)}


@st.composite
def trees(draw: st.DrawFn) -> dict[str, str | None]:
    """Trees of any depth, some of whose categories are below one that is gone."""
    parents: dict[str, str | None] = {}
    for name in IDS[: draw(st.integers(0, len(IDS)))]:
        parents[name] = draw(st.sampled_from([None, "gone", *parents]))
    return parents


@settings(max_examples=60)
@given(trees())
def test_a_category_has_what_leads_to_it_as_its_path_and_what_it_leads_to_below_it(parents: Parents) -> None:
    tree = forest(parents)
    for name in [*IDS, "gone"]:
        assert tree.path(name) == upwards(parents, name)
        assert tree.subtree(name) == below(parents, name)
        assert [each.category_id for each in tree.children(name)] == [c for c, p in parents.items() if p == name]
    assert [each.category_id for each in tree.children(None)] == [name for name in parents if parents[name] is None]
    assert tree.path(None) == []


def test_a_path_that_was_stored_going_round_ends() -> None:
    assert forest({"a": "b", "b": "c", "c": "b"}).path("a") == ["a", "b", "c"]


@settings(max_examples=60)
@given(st.dictionaries(st.sampled_from(IDS), st.integers(-2, 2)))
def test_categories_stand_in_the_merchants_order_and_else_as_they_came(sorts: dict[str, int]) -> None:
    tree = Forest([category("top"), *(category(name, "top", sort) for name, sort in sorts.items())])
    assert [each.category_id for each in tree.children("top")] == sorted(sorts, key=lambda name: sorts[name])


def expected_fault(parents: Parents, name: str, parent: str | None) -> FieldError | None:
    """What is wrong with putting the category there, found by looking at the tree as it would be."""
    if parent is None:
        after: Parents = {**parents, name: None}
    elif parent not in parents:
        return NO_SUCH.at("parent_id")
    elif parent in below(parents, name):
        return BELOW_ITSELF.at("parent_id")
    else:
        after = {**parents, name: parent}
    deep = any(len(upwards(after, each)) > CATEGORY_DEPTH_MAX for each in below(after, name))
    return TOO_DEEP.at("parent_id", limit=CATEGORY_DEPTH_MAX) if deep else None


@settings(max_examples=60)
@given(trees(), st.sampled_from(IDS), st.sampled_from([None, "nowhere", *IDS]))
def test_a_category_is_put_anywhere_but_below_itself_below_nothing_or_too_deep(
    parents: Parents, name: str, parent: str | None
) -> None:
    tree = forest(parents)
    fault = expected_fault(parents, name, parent)
    if fault is None:
        assert as_parents(tree.put(category(name, parent))) == {**parents, name: parent}
    else:
        with pytest.raises(MallError) as refused:
            tree.put(category(name, parent))
        assert (refused.value.code, refused.value.errors) == ("invalid", (fault,))
    assert as_parents(tree) == parents  # the old one stays as it was


@settings(max_examples=60)
@given(trees(), st.sampled_from(IDS))
def test_a_category_goes_when_nothing_is_below_it(parents: Parents, name: str) -> None:
    tree = forest(parents)
    if name not in parents:
        with pytest.raises(MallError) as refused:
            tree.without(name)
        assert (refused.value.code, refused.value.errors) == ("not_found", (NO_SUCH.at("category_id"),))
    elif below(parents, name) != {name}:
        with pytest.raises(MallError) as refused:
            tree.without(name)
        assert (refused.value.code, refused.value.errors) == ("category_in_use", (CATEGORY_IN_USE.at("category_id"),))
    else:
        assert as_parents(tree.without(name)) == {other: above for other, above in parents.items() if other != name}
    assert as_parents(tree) == parents


@settings(max_examples=60)
@given(trees(), trees())
def test_a_category_has_moved_when_it_was_there_below_another(before: Parents, after: Parents) -> None:
    assert forest(after).moved(forest(before)) == [
        name for name in after if name in before and before[name] != after[name]
    ]


CODED = Forest([category("a", code="A"), category("b"), category("c", code="")])


@pytest.mark.parametrize(("code", "found"), [("A", "a"), ("b", "b"), ("c", "c"), ("a", None), ("", None), ("B", None)])
def test_a_category_is_found_by_its_code_or_where_it_has_none_by_its_id(code: str, found: str | None) -> None:
    assert CODED.find(code) == (CODED.by_id[found] if found is not None else None)
    assert [code_of(each) for each in CODED.by_id.values()] == ["A", "b", "c"]


@pytest.mark.parametrize(
    ("name", "code", "taken"),
    [("x", "A", "A"), ("x", "b", "b"), ("b", "A", "A"), ("x", "c", "c"), ("a", "A", None), ("x", "a", None)],
)
def test_a_code_belongs_to_one_category(name: str, code: str, taken: str | None) -> None:
    put = category(name, code=code)
    if taken is None:
        assert CODED.put(put).find(code) == put
    else:
        with pytest.raises(MallError) as refused:
            CODED.put(put)
        assert (refused.value.code, refused.value.data) == ("code_taken", {"taken": taken})


def test_the_tree_is_full_at_its_limit_and_changes_still() -> None:
    full = Forest(category(f"c{number}") for number in range(CATEGORIES_MAX - 1)).put(category("last"))
    assert len(full.by_id) == CATEGORIES_MAX
    with pytest.raises(MallError) as refused:
        full.put(category("more"))
    assert refused.value.errors == (TOO_MANY_CATEGORIES.at("name", limit=CATEGORIES_MAX),)
    assert full.put(category("last", "c0")).path("last") == ["last", "c0"]
    assert len(full.without("c0").put(category("more")).by_id) == CATEGORIES_MAX


def test_what_is_refused_of_a_category_names_it() -> None:
    assert (no_such_category().code, no_such_category().errors) == ("not_found", (NO_SUCH.at("category_id"),))
    assert (in_use().code, in_use().errors) == ("category_in_use", (CATEGORY_IN_USE.at("category_id"),))
