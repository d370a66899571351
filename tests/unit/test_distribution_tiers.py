"""Which tier is reached, which comes next, and that none rewards twice, whatever becomes of the settings."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.growth.distribution.distributors.rules import next_goal, next_tier, risen
from chalicelib.growth.distribution.rules import STANDARD, Distributor, SalesTotals, Tier
from tests.support.commissions import NOW

LADDER = [
    Tier(tier_id="bronze", name="铜", orders=1),
    Tier(tier_id="hand", name="特邀"),
    Tier(tier_id="silver", name="银", sales_fen=1000, customers=2),
    Tier(tier_id="gold", name="金", sales_fen=5000),
]


@pytest.mark.parametrize(
    ("current", "totals", "expected"),
    [
        (STANDARD, SalesTotals(0, 0, 0), None),
        (STANDARD, SalesTotals(0, 1, 0), "bronze"),
        (STANDARD, SalesTotals(1000, 0, 2), "silver"),
        (STANDARD, SalesTotals(1000, 0, 1), None),
        ("bronze", SalesTotals(5000, 9, 0), "gold"),
        ("gold", SalesTotals(0, 9, 9), None),
        ("removed", SalesTotals(0, 1, 0), None),
    ],
)
def test_a_tier_is_reached_by_all_its_thresholds_and_never_by_none(
    current: str, totals: SalesTotals, expected: str | None
) -> None:
    found = next_tier(current, totals, LADDER)
    assert (None if found is None else found.tier_id) == expected


@pytest.mark.parametrize(
    ("current", "goal"), [(STANDARD, "bronze"), ("bronze", "silver"), ("hand", "silver"), ("gold", None)]
)
def test_what_comes_next_is_the_next_tier_that_totals_reach(current: str, goal: str | None) -> None:
    found = next_goal(current, SalesTotals(), LADDER)
    assert (None if found is None else found.tier_id) == goal


@pytest.mark.parametrize(
    ("totals", "goal"),
    [
        (SalesTotals(), "bronze"),
        (SalesTotals(0, 1, 0), "silver"),
        (SalesTotals(1000, 0, 2), "gold"),
        (SalesTotals(5000, 0, 0), None),
    ],
)
def test_who_stands_in_a_removed_tier_goes_on_above_the_highest_that_they_have_reached(
    totals: SalesTotals, goal: str | None
) -> None:
    found = next_goal("removed", totals, LADDER)
    assert (None if found is None else found.tier_id) == goal
    assert next_tier("removed", totals, LADDER) is None


@pytest.mark.parametrize("threshold", ["sales_fen", "orders", "customers"])
def test_one_threshold_makes_a_goal(threshold: str) -> None:
    tier = Tier(tier_id="t", name="T", **{threshold: 1})
    assert next_goal(STANDARD, SalesTotals(), [Tier(tier_id="hand", name="特邀"), tier]) == tier
    assert next_tier(STANDARD, SalesTotals(), [tier]) is None
    assert next_tier(STANDARD, SalesTotals(**{threshold: 1}), [tier]) == tier


REWARDING = [msgspec.structs.replace(tier, reward_fen=number) for number, tier in enumerate(LADDER)]


def standing(tier: str, *rewarded: str) -> Distributor:
    return Distributor(
        member_id="m", state="active", invite_code="i", applied_at=NOW, tier=tier, rewarded=list(rewarded)
    )


@pytest.mark.parametrize(
    ("before", "totals", "tier", "rewarded", "reward_fen"),
    [
        (standing(STANDARD), SalesTotals(0, 1, 0), "bronze", [], 0),  # which rewards nothing
        (standing("bronze"), SalesTotals(1000, 1, 2), "silver", ["silver"], 2),
        (standing("bronze", "silver"), SalesTotals(1000, 1, 2), "silver", ["silver"], 0),
        (standing("silver", "silver"), SalesTotals(5000, 1, 2), "gold", ["silver", "gold"], 3),
        (standing("removed", "old"), SalesTotals(5000, 1, 2), "gold", ["old", "hand", "silver", "gold"], 0),
        (standing("removed", "silver"), SalesTotals(1000, 1, 2), "silver", ["silver", "hand"], 0),
        (standing("removed"), SalesTotals(1000, 0, 2), "silver", ["hand", "silver"], 0),
        (standing("removed", "gold"), SalesTotals(0, 1, 0), "bronze", ["gold"], 0),
        (standing("removed"), SalesTotals(0, 0, 0), None, [], 0),
        (standing("gold"), SalesTotals(9000, 9, 9), None, [], 0),
    ],
)
def test_each_tier_rewards_once_and_who_stands_in_a_removed_one_is_placed_without(
    before: Distributor, totals: SalesTotals, tier: str | None, rewarded: list[str], reward_fen: int
) -> None:
    found = risen(before, totals, REWARDING)
    if tier is None:
        assert found is None
    else:
        assert found == (msgspec.structs.replace(before, tier=tier, rewarded=rewarded), reward_fen)


totals_reached = st.builds(SalesTotals, *[st.integers(0, 6000)] * 3)
some_tiers = st.lists(st.sampled_from(range(len(REWARDING))), unique=True).map(
    lambda places: [REWARDING[place] for place in places]
)


@given(st.lists(st.tuples(some_tiers, totals_reached)))
def test_however_the_settings_change_no_tier_rewards_twice(changes: list[tuple[list[Tier], SalesTotals]]) -> None:
    who, got = standing(STANDARD), list[str]()
    for tiers, totals in changes:
        steps = 0
        while found := risen(who, totals, tiers):
            (who, reward_fen), steps = found, steps + 1
            got += [who.tier] if reward_fen else []
            assert steps <= len(tiers) + 1
    assert len(got) == len(set(got)) and set(got) <= set(who.rewarded)


@given(
    st.sampled_from([STANDARD, *(tier.tier_id for tier in LADDER)]), st.builds(SalesTotals, *[st.integers(0, 9999)] * 3)
)
def test_nobody_is_ever_put_lower(current: str, totals: SalesTotals) -> None:
    ids = [STANDARD, *(tier.tier_id for tier in LADDER)]
    reached = next_tier(current, totals, LADDER)
    assert reached is None or ids.index(reached.tier_id) > ids.index(current)
