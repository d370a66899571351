"""Where a group-buy draws its lines: the last moments, the limits of a seat, and how long it may keep a payment."""

from __future__ import annotations

import math
from datetime import timedelta
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import inspect

from chalicelib.commerce.orders.refunds.rules import REFUNDABLE
from chalicelib.growth.groupbuy import rules
from chalicelib.growth.groupbuy.activities.rules import DRAW_WITHIN, check_activity
from chalicelib.growth.groupbuy.inputs import ActivityInput
from chalicelib.growth.groupbuy.lobbies.service import HELD_WAIT
from chalicelib.growth.groupbuy.report.rules import wilson_bp
from chalicelib.growth.groupbuy.rules import Kind, Lottery
from tests.unit.test_group_rules import HOUR, NOW, activity, lobby, price, refused, terms

SECOND = timedelta(seconds=1)
OF_ALL = {"kind": "lottery", "lottery": Lottery(winners=1, per="activity")}


# How long a payment may wait: WeChat refunds it for a year.


@given(
    st.timedeltas(timedelta(-900), timedelta(900)),
    st.timedeltas(timedelta(0), timedelta(800)),
    st.sampled_from(["fixed", "ladder", "lobby", "activity"]),
)
def test_whatever_is_accepted_ends_while_every_payment_in_it_can_be_refunded(
    starts_in: timedelta, runs: timedelta, how: str
) -> None:
    """For every kind and whatever times: no payment of it waits for longer than some 300 days."""
    kind: dict[str, Any] = {"kind": how} if how in get_args(Kind) else {"kind": "lottery"}
    if how in ("lobby", "activity"):
        kind["lottery"] = Lottery(winners=1, per=how)  # type: ignore[arg-type]
    starts_at = NOW + starts_in
    made = activity(starts_at=starts_at, ends_at=starts_at + runs, **kind)
    try:
        check_activity(made, ["a"], NOW)
    except Exception as refusal:
        field = refusal.errors[0].field  # type: ignore[attr-defined]
        too_long = how == "activity" and made.ends_at - max(NOW, starts_at) > DRAW_WITHIN
        assert field == "ends_at"
        assert too_long or made.ends_at <= NOW or runs == timedelta(0)
        return
    if how == "activity":
        waits = rules.wound_up_at(made) - max(NOW, starts_at)
    else:
        waits = timedelta(minutes=minutes_max()) + HELD_WAIT
    assert waits < REFUNDABLE - timedelta(days=60)


def minutes_max() -> int:
    """For how long a lobby may be open."""
    (field,) = (one for one in inspect.type_info(ActivityInput).fields if one.name == "lobby_minutes")  # type: ignore[attr-defined]
    return int(field.type.le)


@pytest.mark.parametrize(
    ("starts_at", "latest"),
    [(NOW - timedelta(days=400), NOW + DRAW_WITHIN), (NOW + HOUR, NOW + HOUR + DRAW_WITHIN)],
)
def test_a_draw_over_the_activity_comes_at_most_300_days_after_its_start_or_now(starts_at: Any, latest: Any) -> None:
    check_activity(activity(starts_at=starts_at, ends_at=latest, **OF_ALL), ["a"], NOW)
    late = refused(lambda: check_activity(activity(starts_at=starts_at, ends_at=latest + SECOND, **OF_ALL), ["a"], NOW))
    assert (late.code, late.errors[0].field, late.errors[0].reason.code) == ("invalid", "ends_at", "draw_too_late")
    assert "300 天" in late.text("zh", {})
    assert "within 300 days" in late.text("en", {})


def test_when_an_activity_is_wound_up() -> None:
    """Five minutes after its end; an hour more where it was ended early, for leaders who had begun to pay."""
    assert rules.wound_up_at(activity()) == NOW + HOUR + timedelta(minutes=5)
    assert rules.wound_up_at(activity(ended_early=True)) == NOW + HOUR + timedelta(minutes=65)


# The last moments


def test_in_the_last_fifteen_seconds_of_an_activity_no_lobby_is_opened() -> None:
    ends_at = NOW + HOUR
    rules.check_running(activity(), ends_at - rules.MARGIN - SECOND)
    for moment in (ends_at - rules.MARGIN, ends_at - SECOND, ends_at):
        assert refused(lambda moment=moment: rules.check_running(activity(), moment)).code == "activity_over"
    assert timedelta(seconds=15) == rules.MARGIN


def test_an_activity_runs_from_its_first_instant_on() -> None:
    rules.check_running(activity(starts_at=NOW), NOW)
    early = refused(lambda: rules.check_running(activity(starts_at=NOW), NOW - SECOND))
    assert (early.code, early.errors[0].reason.code) == ("activity_over", "activity_not_begun")


def test_in_the_last_fifteen_seconds_of_a_lobby_nobody_joins() -> None:
    rules.check_joinable(lobby(), NOW + HOUR - rules.MARGIN - SECOND)
    assert refused(lambda: rules.check_joinable(lobby(), NOW + HOUR - rules.MARGIN)).code == "lobby_over"


def test_a_lobby_whose_leader_never_paid_is_nobodys() -> None:
    """It failed before anybody saw it: for others it was never there."""
    never = rules.step(rules.new_lobby(terms()), "release", NOW)
    assert (never.state, never.expires_at) == ("failed", None)
    assert refused(lambda: rules.check_joinable(never, NOW)).code == "not_found"
    assert refused(lambda: rules.check_joinable(lobby(state="opening", expires_at=None), NOW)).code == "not_found"


# A seat


@given(st.integers(1, 999), st.none() | st.integers(1, 999))
def test_a_seat_costs_its_price_up_to_the_limit_and_is_refused_above(quantity: int, limit: int | None) -> None:
    known = terms(prices=[price(3, 5900, 4900)], limit_per_member=limit)
    if limit is None or quantity <= limit:
        found = rules.check_order(known, "a", quantity)
        assert (found.price_fen, found.leader_fen) == (5900, 4900)
        return
    refusal = refused(lambda: rules.check_order(known, "a", quantity))
    assert (refusal.code, refusal.data) == ("purchase_limit", {"limit": limit})
    assert refusal.errors[0].field == "lines[0].quantity"


def test_a_price_of_nothing_is_a_price_and_a_sku_without_one_is_refused() -> None:
    free = terms(prices=[price(3, 5900, 0)])
    assert rules.check_order(free, "a", 1).leader_fen == 0
    refusal = refused(lambda: rules.check_order(free, "b", 1))
    assert (refusal.code, refusal.errors[0].field) == ("invalid", "lines[0].sku_id")
    assert refusal.errors[0].reason.code == "not_in_group_buy"


# The report's interval


@pytest.mark.parametrize(("successes", "trials"), [(0, 0), (1, 0), (-1, 3), (4, 3), (0, -1)])
def test_there_is_no_share_without_trials_nor_more_successes_than_those(successes: int, trials: int) -> None:
    with pytest.raises(ValueError, match="share"):
        wilson_bp(successes, trials)


@pytest.mark.parametrize("trials", range(1, 61))
def test_the_interval_of_nothing_begins_at_nothing_and_that_of_all_ends_at_all(trials: int) -> None:
    """For every number, however its fractions are rounded."""
    none, every = wilson_bp(0, trials), wilson_bp(trials, trials)
    assert (none[:2], every[0], every[2]) == ((0, 0), 10_000, 10_000)
    assert none[2] == 10_000 - every[1] == math.ceil(10_000 * 1.959964**2 / (trials + 1.959964**2))


@given(st.integers(1, 5000), st.data())
def test_the_interval_is_that_of_the_formula_and_rounded_outwards(trials: int, data: st.DataObject) -> None:
    """Its bounds are where the difference from the share is 1.96 standard errors of the bound itself (Wilson 1927)."""
    successes = data.draw(st.integers(0, trials))
    share, low, high = wilson_bp(successes, trials)
    assert share == round(10_000 * successes / trials)
    assert low <= share <= high
    assert low > 0 or distance(1, successes, trials) <= 1e-9
    assert high < 10_000 or distance(9_999, successes, trials) <= 1e-9
    for bound, inwards in ((low, 1), (high, -1)):
        if 0 < bound < 10_000:
            assert distance(bound, successes, trials) >= -1e-9
            assert distance(bound + inwards, successes, trials) <= 1e-9


def distance(bp: float, successes: int, trials: int) -> float:
    """How much farther from the share a rate is than 1.96 of its standard errors."""
    rate = bp / 10_000
    return abs(successes / trials - rate) - 1.959964 * math.sqrt(rate * (1 - rate) / trials)
