"""When and by whom coupons can be had and used, where pieces are taken from, and how many wrong codes are looked at."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.commerce.catalogue.rules import Named
from chalicelib.commerce.coupons import rules
from chalicelib.commerce.coupons.rules import (
    GUESS_SECONDS,
    GUESSES_MAX,
    GUESSES_UNDER_PRESSURE,
    Audience,
    Coupon,
    Guesses,
    Held,
    Scope,
    Template,
    Terms,
    Validity,
)
from chalicelib.core.shards import first_with_some
from chalicelib.customers.members.rules import LifeCycleRules, Profile, segment_of

NOW = datetime(2026, 11, 22, 8, tzinfo=UTC)
BOUNDS = LifeCycleRules()
FREES = st.lists(st.integers(0, 20), min_size=1, max_size=32)


def test_validity_by_dates_and_by_days() -> None:
    begins, until = NOW + timedelta(days=1), NOW + timedelta(days=2)
    assert Validity(begins=begins, until=until).span(NOW) == (begins, until)
    assert Validity(until=until).span(NOW) == (NOW, until)
    assert Validity(days=3).span(NOW) == (NOW, NOW + timedelta(days=3))


def test_expired_is_by_the_clock_and_only_of_what_is_unused() -> None:
    coupon = Coupon(
        coupon_id="c1", template_id="t1", member_id="m1", name="券", terms=Terms(kind="free_shipping"),
        valid_from=NOW, valid_until=NOW + timedelta(days=1), received_at=NOW, how="claim",
    )  # fmt: skip
    held = Held(coupon=coupon, state="unused")
    before, last, after = NOW - timedelta(seconds=1), NOW + timedelta(hours=23), NOW + timedelta(days=1)
    assert [held.unusable(at) for at in (before, NOW, last, after)] == ["not_yet", None, None, "expired"]
    assert [held.state_at(at) for at in (before, last, after)] == ["unused", "unused", "expired"]
    for state in ("locked", "used"):
        spent = msgspec.structs.replace(held, state=state, order_id="o1")
        assert [spent.state_at(at) for at in (before, NOW, after)] == [state] * 3
        assert [spent.unusable(at) for at in (before, NOW, after)] == [state] * 3


@pytest.mark.parametrize(
    ("kind", "stacking", "place"),
    [
        ("amount_off", "main", "main"), ("percent_off", "extra", "extra"), ("exchange", "extra", "extra"),
        ("free_shipping", "main", "freight"), ("free_shipping", "extra", "freight"),
    ],
)  # fmt: skip
def test_a_coupon_takes_one_place_in_an_order(kind: Any, stacking: Any, place: str) -> None:
    assert Terms(kind=kind, stacking=stacking).place == place


def test_whom_an_audience_admits() -> None:
    fresh = Profile(member_id="m1", openid="o", joined_at=NOW, tags=["a", "b"])
    old = Profile(member_id="m1", openid="o", joined_at=NOW, orders_completed=9, last_completed_at=NOW)
    for audience, admitted in (
        (Audience(), [True, True]),
        (Audience(segments=["new"]), [True, False]),
        (Audience(segments=["loyal", "repeat"]), [False, True]),
        (Audience(segments=["loyal"]), [False, True]),
        (Audience(tags=["b", "c"]), [True, False]),
        (Audience(tags=["c"]), [False, False]),
        (Audience(segments=["new"], tags=["a"], new_customers=True), [True, False]),
        (Audience(segments=["loyal"], new_customers=True), [False, False]),
        (Audience(new_customers=True), [True, False]),
        (Audience(segments=["new"], tags=["c"]), [False, False]),
    ):
        assert [audience.admits(profile, NOW, BOUNDS, ()) for profile in (fresh, old)] == admitted, audience


SEGMENTS = st.sampled_from(["new", "first_order", "repeat", "loyal", "silent", "sga", "sgb", "sgc"])


@given(
    st.lists(SEGMENTS, min_size=1, max_size=8), st.sets(st.sampled_from(["sga", "sgb", "sgz"])), st.integers(0, 9),
    st.integers(0, 90), st.booleans(),
)  # fmt: skip
def test_an_audience_is_of_who_is_in_one_of_its_segments_whichever_kind_that_is(
    named: list[str], within: set[str], orders: int, days: int, personalised: bool
) -> None:
    at = NOW - timedelta(days=days)
    bounds = LifeCycleRules(new_days=10, first_order_days=20, active_days=40, loyal_orders=3)
    profile = Profile(
        member_id="m1", openid="o", joined_at=at, orders_completed=orders, last_completed_at=at if orders else None,
        personalised=personalised,
    )  # fmt: skip
    mine = within | {segment_of(profile, NOW, bounds)}
    admitted = Audience(segments=named).admits(profile, NOW, bounds, within)
    assert admitted == (personalised and not mine.isdisjoint(named))
    assert rules.custom_segments(named) == sorted({one for one in named if one.startswith("sg")})


@pytest.mark.parametrize(
    ("segment_id", "is_one"),
    [
        ("new", True), ("silent", True), ("sgabc234", True), ("sg" + "a" * 62, True), ("sg", False), ("", False),
        ("New", False), ("newer", False), ("sg" + "a" * 63, False), ("sga\n", False), ("seg1", False), ("sgA", False),
    ],
)  # fmt: skip
def test_a_segment_is_a_word_of_life_cycle_or_the_id_of_a_custom_one(segment_id: str, is_one: bool) -> None:
    try:
        assert msgspec.convert({"segments": [segment_id]}, Audience).segments == [segment_id]
    except msgspec.ValidationError:
        assert not is_one
    else:
        assert is_one


def test_shards_grow_with_the_total() -> None:
    totals = (1, 499, 500, 501, 1000, 1001, 10_000, 15_500, 15_501, 16_000, 16_001, 10**8)
    assert [rules.shards_for(total) for total in totals] == [1, 1, 1, 2, 2, 3, 20, 31, 32, 32, 32, 32]


@given(FREES, st.integers(0, 100))
def test_one_is_found_wherever_it_is(frees: list[int], first: int) -> None:
    shard = first_with_some(frees, first)
    if shard is None:
        assert not any(frees)
    else:
        assert frees[shard] > 0
        assert frees[first % len(frees)] == 0 or shard == first % len(frees)


@given(FREES, st.integers(1, 60), st.integers(0, 100))
def test_portions_are_what_there_is_up_to_what_is_wanted(frees: list[int], pieces: int, first: int) -> None:
    taken = rules.portions(frees, pieces, first)
    assert sum(taken.values()) == min(pieces, sum(frees))
    assert all(0 < part <= frees[shard] for shard, part in taken.items())
    if max(frees) >= pieces:
        assert len(taken) == 1


@pytest.mark.parametrize(
    ("frees", "pieces", "first", "taken"),
    [
        ([0, 5, 9], 5, 0, {1: 5}), ([0, 5, 9], 5, 2, {2: 5}), ([0, 5, 9], 6, 1, {2: 6}), ([9, 5, 9], 9, 1, {2: 9}),
        ([9, 5, 8], 9, 4, {0: 9}), ([2, 3, 0, 1], 4, 1, {1: 3, 3: 1}), ([2, 3, 0, 1], 6, 3, {3: 1, 0: 2, 1: 3}),
        ([2, 3, 0, 1], 5, 7, {3: 1, 0: 2, 1: 2}), ([2, 3, 0, 1], 7, 2, {3: 1, 0: 2, 1: 3}), ([0, 0], 1, 1, {}),
        ([3], 3, 9, {0: 3}), ([3], 4, 0, {0: 3}), ([3, 1], 0, 1, {}), ([0, 0], 0, 0, {}), ([1, 1], 1, 1, {1: 1}),
    ],
)  # fmt: skip
def test_pieces_are_taken_from_one_shard_that_has_them_all_or_round_from_the_first(
    frees: list[int], pieces: int, first: int, taken: dict[int, int]
) -> None:
    assert list(rules.portions(frees, pieces, first).items()) == list(taken.items())


@pytest.mark.parametrize(
    ("guesses", "now", "at", "after"),
    [
        (Guesses(), 7, Guesses(), Guesses(1, 7 + GUESS_SECONDS)),
        (Guesses(2, 100), 99, Guesses(2, 100), Guesses(3, 100)),
        (Guesses(2, 100), 100, Guesses(), Guesses(1, 100 + GUESS_SECONDS)),
        (Guesses(2, 100), 101, Guesses(), Guesses(1, 101 + GUESS_SECONDS)),
    ],
)
def test_wrong_codes_are_counted_for_an_hour_from_the_first(
    guesses: Guesses, now: int, at: Guesses, after: Guesses
) -> None:
    assert (guesses.at(now), guesses.one_more(now)) == (at, after)


@given(st.lists(st.integers(0, 3 * GUESS_SECONDS), max_size=60), st.booleans())
def test_no_more_wrong_codes_an_hour_than_are_allowed(waits: list[int], under_pressure: bool) -> None:
    allowed = GUESSES_UNDER_PRESSURE if under_pressure else GUESSES_MAX
    guesses, now, looked_at = Guesses(), 0, []
    for wait in waits:
        now += wait // 20
        if not guesses.at(now).is_spent(under_pressure):
            guesses = guesses.one_more(now)
            looked_at.append(now)
            assert guesses.window_ends <= now + GUESS_SECONDS
    windows: dict[int, int] = {}
    begins = None
    for at in looked_at:  # a window begins with its first wrong code
        if begins is None or at >= begins + GUESS_SECONDS:
            begins = at
        windows[begins] = windows.get(begins, 0) + 1
    assert all(count <= allowed for count in windows.values())
    assert guesses.at(guesses.window_ends) == Guesses()


@pytest.mark.parametrize(("under_pressure", "limit"), [(False, GUESSES_MAX), (True, GUESSES_UNDER_PRESSURE)])
def test_guesses_are_spent_at_their_limit_and_not_before(under_pressure: bool, limit: int) -> None:
    assert [Guesses(wrong, 1).is_spent(under_pressure) for wrong in (0, limit - 1, limit, limit + 1)] == [
        False, False, True, True,
    ]  # fmt: skip


def test_a_template_is_offered_while_it_is_published_and_not_over() -> None:
    until = NOW + timedelta(days=1)
    made = Template(
        template_id="t1", name="券", state="published", terms=Terms(kind="free_shipping"), total=1, limit_per_member=1,
        valid=Validity(until=until), how=["claim"], shards=1, created_at=NOW,
    )  # fmt: skip
    for at, over in ((NOW, False), (until - timedelta(microseconds=1), False), (until, True)):
        assert made.is_over(at) is over
        assert made.is_offered(at) is not over
    for state in ("draft", "paused"):
        assert not msgspec.structs.replace(made, state=state).is_offered(NOW)
    for_days = msgspec.structs.replace(made, valid=Validity(days=1))
    assert not for_days.is_over(NOW + timedelta(days=999))
    assert for_days.is_offered(NOW + timedelta(days=999))


@given(
    st.lists(st.sampled_from("ab"), max_size=2), st.lists(st.sampled_from("pq"), max_size=2),
    st.lists(st.sampled_from("pq"), max_size=1), st.sampled_from("pqr"), st.lists(st.sampled_from("abc"), max_size=2),
)  # fmt: skip
def test_a_scope_covers_what_it_names_or_all_and_never_what_it_excludes(
    categories: list[str], products: list[str], excluded: list[str], product: str, of: list[str]
) -> None:
    scope = Scope(categories=categories, products=products, excluded_products=excluded)
    named = product in products or bool(set(categories) & set(of))
    assert scope.covers(product, of) == (product not in excluded and (named or not (categories or products)))


def test_what_a_scope_names_of_the_catalogue_is_told_by_field() -> None:
    scope = Scope(categories=["tea", "cups"], products=["p1", "p2"], excluded_products=["p3", "p4"])
    assert list(scope.named()) == [
        Named("scope.categories[0]", "category", "tea"), Named("scope.categories[1]", "category", "cups"),
        Named("scope.products[0]", "product", "p1"), Named("scope.products[1]", "product", "p2"),
        Named("scope.excluded_products[0]", "product", "p3"), Named("scope.excluded_products[1]", "product", "p4"),
    ]  # fmt: skip
    assert list(Scope().named()) == []
